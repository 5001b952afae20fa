import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Health } from './health.js';

/**
 * Terminus, and the registry to which each lib adds its probe. A process that serves `/v1/health` starts it.
 *
 *     health.add({ name: 'postgres', isVital: true, check: async () => void (await lane.query('SELECT 1')) });
 */
// Terminus would log every look that finds something down; Health logs changes.
@Module({ imports: [TerminusModule.forRoot({ logger: false })], providers: [Health], exports: [Health] })
export class HealthModule {}
