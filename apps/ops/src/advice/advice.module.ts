import { Module } from '@nestjs/common';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { ScrapeModule } from '../scrape/scrape.module.js';
import { PostgresConnectionLimits } from './adapters/postgres-connection-limits.js';
import { ConnectionLimitsPort } from './connection-limits.port.js';
import { RunAdvice } from './run-advice.js';

/** Says what to scale: answers the control question `scaling`, and shows `scaling_recommendation`. */
@Module({
  imports: [ScrapeModule],
  providers: [
    {
      provide: ConnectionLimitsPort,
      inject: [PostgresLanes],
      useFactory: (lanes: PostgresLanes) => new PostgresConnectionLimits(lanes.lane('work')),
    },
    RunAdvice,
  ],
  exports: [RunAdvice],
})
export class AdviceModule {}
