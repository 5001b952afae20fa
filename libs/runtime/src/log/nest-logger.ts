import type { LoggerService } from '@nestjs/common';
import type { Logger } from './logger.js';

/**
 * Lets Nest write through the process' logger. Its news (routes mapped, modules loaded) are debug lines here: info is
 * one line per handled unit of work. nestjs-pino is not used: it knows HTTP requests only, our context serves events too (ADR 6).
 */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  // Nest passes the name of the class last, and for errors sometimes the stack before it.
  private write(level: 'trace' | 'debug' | 'warn' | 'error' | 'fatal', message: unknown, rest: readonly unknown[]): void {
    const context = rest.at(-1);
    const stack = rest.find((part) => typeof part === 'string' && part.includes('\n    at '));
    const fields = {
      ...(typeof context === 'string' && context !== stack ? { context } : {}),
      ...(message instanceof Error ? { err: message } : {}),
      ...(stack === undefined ? {} : { stack }),
    };
    // Objects are not written out: they may be payloads.
    this.logger[level](fields, message instanceof Error ? message.message : typeof message === 'string' ? message : 'Nest');
  }
}
