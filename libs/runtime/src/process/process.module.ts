import { type DynamicModule, Module } from '@nestjs/common';
import { CONFIG } from '../config/config.js';
import { HealthModule } from '../health/health.module.js';
import { LogModule } from '../log/log.module.js';
import { Readiness } from '../health/readiness.js';
import type { ProcessParts } from './run-process.js';
import { OperationsController } from './operations.controller.js';

/**
 * `/livez`, `/readyz` and `/metrics`, and the parts every process has: CONFIG, LOGGER and Readiness can be injected anywhere.
 * The only global module.
 */
@Module({})
export class ProcessModule {
  static of({ config, logger, readiness }: ProcessParts): DynamicModule {
    return {
      module: ProcessModule,
      global: true,
      imports: [LogModule.of(logger), HealthModule],
      controllers: [OperationsController],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: Readiness, useValue: readiness },
      ],
      exports: [CONFIG, Readiness, LogModule, HealthModule],
    };
  }
}
