import { type DestinationStream, type Logger, pino } from 'pino';
import { currentContext } from './context.js';

export type { Logger } from 'pino';

/** Injection token of the process' Logger. */
export const LOGGER = Symbol('Logger');

/**
 * JSON lines on stdout, one per handled unit of work. Each line carries `service` and the ids of the running unit of work
 * (`requestId`, `conversationId`, `messageId`, R022). Never log message text, tokens or whole payloads.
 */
export const createLogger = (service: string, level: string, destination: DestinationStream = bufferedStdout()): Logger =>
  pino(
    {
      level,
      base: { service, pid: process.pid },
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      // The second defence against secrets; the first is not to log objects.
      formatters: { level: (label) => ({ level: label }), bindings: withoutSecrets, log: withoutSecrets },
      mixin: currentContext,
      mixinMergeStrategy: (fields, ids) => (isEmpty(ids) ? fields : { ...ids, ...fields }),
      serializers: { err: (error: unknown) => errorFields(error) }, // instead of pino's own, which copies every field
    },
    destination,
  );

const BUFFER_BYTES = 8_192;
const FLUSH_EVERY_MS = 100;

/**
 * stdout, written in blocks: a system call per line was a sixteenth of a busy gateway. A SIGKILL loses the lines of a tenth of a second;
 * every other end of the process writes them out.
 */
const bufferedStdout = (): DestinationStream => (stdout ??= openStdout());
let stdout: DestinationStream | undefined;

const openStdout = (): DestinationStream => {
  const destination = pino.destination({ dest: 1, sync: true });
  const blocks = inBlocks(destination);
  setInterval(() => blocks.flush(), FLUSH_EVERY_MS).unref();
  process.once('exit', () => {
    blocks.flush();
    destination.flushSync();
  });
  return blocks;
};

/** Buffers lines here and not in pino's destination (`minLength`), which copies all that it holds for each line to find out how long it is. */
const inBlocks = (destination: DestinationStream): DestinationStream & { flush(): void } => {
  let lines: string[] = [];
  let length = 0;
  const flush = () => {
    if (length === 0) return;
    const block = lines.join('');
    lines = [];
    length = 0;
    destination.write(block);
  };
  const write = (line: string) => {
    lines.push(line);
    length += line.length;
    if (length >= BUFFER_BYTES) flush();
  };
  return { write, flush };
};

const SECRET_NAMES: ReadonlySet<string> = new Set([
  'authorization',
  'content',
  'cookie',
  'headers',
  'password',
  'payload',
  'secret',
  'text',
  'token',
]);
const HIDDEN = '***';
/** A report of what a process has in hand is the deepest that is logged. */
const MAX_DEPTH = 6;

const isEmpty = (ids: object): boolean => {
  for (const _ in ids) return false;
  return true;
};

/** Copies only what it changes, and what is no plain object: that may show itself in JSON as it likes. */
const withoutSecrets = (fields: object, depth = 0): Record<string, unknown> => {
  const given = fields as Record<string, unknown>;
  let shown = Object.getPrototypeOf(fields) === Object.prototype ? given : { ...given };
  for (const name of Object.keys(fields)) {
    const value = given[name];
    const kept = SECRET_NAMES.has(name) ? HIDDEN : harmless(value, depth);
    if (kept === value) continue;
    if (shown === given) shown = { ...given };
    shown[name] = kept;
  }
  return shown;
};

const harmless = (value: unknown, depth: number): unknown => {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  // At any depth: an error of a driver carries the parameters of the statement in fields of its own.
  if (value instanceof Error) return errorFields(value, depth);
  if (depth >= MAX_DEPTH) return HIDDEN;
  return Array.isArray(value) ? value.map((item) => harmless(item, depth + 1)) : withoutSecrets(value, depth + 1);
};

/** What an operator needs of an error, and no other field: drivers put statements, parameters and rows there. */
const errorFields = (error: unknown, depth = 0): unknown => {
  if (!(error instanceof Error)) return error;
  if (depth >= MAX_DEPTH) return HIDDEN; // an error may be its own cause
  const { name, message, stack, cause } = error;
  return {
    type: name,
    message,
    ...('code' in error ? { code: error.code } : {}),
    stack,
    ...(cause instanceof Error ? { cause: errorFields(cause, depth + 1) } : {}),
    ...(error instanceof AggregateError ? { errors: error.errors.slice(0, 5).map((each) => errorFields(each, depth + 1)) } : {}),
  };
};
