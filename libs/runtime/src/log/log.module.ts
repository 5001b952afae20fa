import { type DynamicModule, type INestApplicationContext, Injectable, Module } from '@nestjs/common';
import { LoggerModule, Logger as NestPinoLogger } from 'nestjs-pino';
import { LOGGER, type Logger } from './logger.js';

/** Nest's news (routes mapped, modules loaded) are debug lines: info is one line per handled unit of work. */
@Injectable()
class NestLines extends NestPinoLogger {
  override log(message: unknown, ...rest: unknown[]): void {
    this.debug(message, ...rest);
  }
}

/**
 * nestjs-pino on the process' logger: Nest's own lines have the same shape and the same secrets cut as ours. Inject LOGGER, which is pino
 * itself, for lines of our own (ADR 6).
 */
@Module({})
export class LogModule {
  static of(logger: Logger): DynamicModule {
    return {
      module: LogModule,
      global: true,
      imports: [
        LoggerModule.forRoot({
          // Its own serializers would copy every field of an error, with the parameters of a statement among them.
          pinoHttp: { logger, autoLogging: false, wrapSerializers: false },
          // No middleware: the edge logs requests, and context.ts carries their ids.
          forRoutes: [],
        }),
      ],
      providers: [NestLines, { provide: LOGGER, useValue: logger }],
      exports: [NestLines, LOGGER],
    };
  }
}

/**
 * For `NestFactory.create`: Nest is silent until {@link useProcessLogger}. What it buffered would come out as plain text when the start
 * fails, and runProcess logs that failure.
 */
export const SILENT_UNTIL_READY = { logger: false, abortOnError: false } as const;

/** Lets Nest write through the process' logger. */
export const useProcessLogger = (app: INestApplicationContext): void => app.useLogger(app.get(NestLines));
