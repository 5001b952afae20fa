import { type DynamicModule, Module } from '@nestjs/common';
import { CONFIG } from '../config/config.js';
import { HealthModule } from '../health/health.module.js';
import { Readiness } from '../health/readiness.js';
import { LogModule } from '../log/log.module.js';
import { Lifecycle, type Listens, LISTENS } from './lifecycle.js';
import { OperationsController } from './operations.controller.js';
import type { ProcessParts } from './run-process.js';

/**
 * What every process has: `/livez`, `/readyz`, `/metrics`, and CONFIG, LOGGER, Readiness, Lifecycle and Health to inject anywhere.
 * Like the modules of the libs it is global; an app imports each of them once, in its root module.
 */
@Module({})
export class ProcessModule {
  /** @param options.listens `last` where HTTP requests are the work of the process, see {@link Lifecycle}. */
  static of({ config, logger, readiness }: ProcessParts, options: { readonly listens: Listens } = { listens: 'first' }): DynamicModule {
    return {
      module: ProcessModule,
      global: true,
      imports: [LogModule.of(logger), HealthModule],
      controllers: [OperationsController],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: Readiness, useValue: readiness },
        { provide: LISTENS, useValue: options.listens },
        Lifecycle,
      ],
      exports: [CONFIG, Readiness, Lifecycle, LogModule, HealthModule],
    };
  }
}
