import { type DestinationStream, type Logger, pino } from 'pino';
import { currentContext } from './context.js';

export type { Logger } from 'pino';

/** Injection token of the process' Logger. */
export const LOGGER = Symbol('Logger');

/**
 * JSON lines on stdout, one per handled unit of work. Each line carries `service` and the ids of the running unit of work
 * (`requestId`, `conversationId`, `messageId`, R022). Never log message text, tokens or whole payloads.
 */
export const createLogger = (service: string, level: string, destination: DestinationStream = pino.destination(1)): Logger =>
  pino(
    {
      level,
      base: { service, pid: process.pid },
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => ({ ...currentContext() }),
      // Secrets that slip in with an object are cut at the exit; the first defence is not to log objects.
      redact: ['authorization', 'token', 'password', 'content', 'headers', '*.authorization', '*.token', '*.password', '*.content'],
    },
    destination,
  );
