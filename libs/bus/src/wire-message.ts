import { createHash } from 'node:crypto';
import { eventSchemas, type ParleyEvent } from '#lib/contracts/events';
import { traceIdOf } from '#lib/runtime/log/traceparent';
import type { EventHeaders } from './publish/publisher.port.js';

/** A header of ours is text or a whole number; a broker may add tables of its own. */
export type WireHeaders = Readonly<Record<string, unknown>>;

/** An event as it lies in a queue, whatever the transport. Retries and dead letters keep `id`, `type` and the exact bytes of `body`. */
export interface WireMessage {
  /** The event id (`message_id`); undefined when another program published it without one. */
  readonly id: string | undefined;
  /** The routing key it was first published with. */
  readonly type: string;
  /** When it was first published, to the second. */
  readonly publishedAt: Date | undefined;
  readonly headers: WireHeaders;
  readonly body: Buffer;
}

/** The names of our headers (docs/reference/events.md). */
export const header = {
  schemaVersion: 'x-schema-version',
  attempt: 'x-attempt',
  requestId: 'x-request-id',
  conversationId: 'x-conversation-id',
  traceparent: 'traceparent',
  error: 'x-error',
  errorClass: 'x-error-class',
  firstFailedAt: 'x-first-failed-at',
  lastFailedAt: 'x-last-failed-at',
  originQueue: 'x-origin-queue',
  attempts: 'x-attempts',
  stackHash: 'x-stack-hash',
  traceId: 'x-trace-id',
  replayed: 'x-replayed',
  replayedAt: 'x-replayed-at',
  /** How often a process died with it before it was copied; the broker counts only from then on. */
  returns: 'x-returns',
  /** How often it was postponed because no consumer that met it knew its type. */
  unknown: 'x-unknown',
} as const;

/** Larger bodies are refused on both sides: quorum queues keep every message in memory-mapped segments of a few MB. */
export const MAX_BODY_BYTES = 1_048_576;
// Enough to recognise an error; a header table must stay far below the 64 KiB at which clients refuse it.
const MAX_ERROR_LENGTH = 500;
/** Longest header text that is believed and passed on: an error of 500 characters in UTF-8. */
const MAX_HEADER_BYTES = 2_000;
/** Headers of others that a copy keeps. */
const MAX_FOREIGN_HEADERS = 20;
/** Counts above this are not ours. */
const MAX_COUNT = 1_000;

/** Puts an event into the form in which it travels. @throws ZodError when it breaks its own schema, RangeError when it is too large. */
export const toWireMessage = (event: ParleyEvent, headers: EventHeaders = {}, now = new Date()): WireMessage =>
  ownWireMessage(eventSchemas[event.type].parse(event), headers, now);

/**
 * The same for an event that this process made of input that it has parsed: its schema would find nothing, and asking it is a sixteenth of what
 * a send allocates. @throws RangeError when it is too large.
 */
export const ownWireMessage = (event: ParleyEvent, { requestId, traceparent }: EventHeaders, now = new Date()): WireMessage => {
  const body = Buffer.from(JSON.stringify(event));
  if (body.byteLength > MAX_BODY_BYTES) throw new RangeError(`${event.type} ${event.eventId} has ${body.byteLength} bytes`);
  const headers: Record<string, unknown> = {
    [header.schemaVersion]: event.version,
    [header.attempt]: 1,
  };
  if (event.conversationId !== null) headers[header.conversationId] = event.conversationId;
  if (requestId !== undefined) headers[header.requestId] = requestId;
  if (traceparent !== undefined) headers[header.traceparent] = traceparent;
  return { id: event.eventId, type: event.type, publishedAt: now, headers, body };
};

/** Which try this message is on, the first one being 1. */
export const attemptOf = (message: Pick<WireMessage, 'headers'>): number => Math.max(1, countHeader(message, header.attempt));

/** A header that counts something; 0 when it is absent, no count, or more than we ever count to. */
export const countHeader = ({ headers }: Pick<WireMessage, 'headers'>, name: string): number => {
  const count = headers[name];
  return typeof count === 'number' && Number.isInteger(count) && count > 0 && count <= MAX_COUNT ? count : 0;
};

/** A header as text, or undefined when it is absent, something else, or longer than any of ours. */
export const textHeader = ({ headers }: Pick<WireMessage, 'headers'>, name: string): string | undefined => {
  const value = headers[name];
  return typeof value === 'string' && Buffer.byteLength(value) <= MAX_HEADER_BYTES ? value : undefined;
};

/** The copy that waits for its next try. */
export const forNextAttempt = (message: WireMessage, now = new Date()): WireMessage => ({
  ...message,
  headers: {
    ...keptHeaders(message.headers),
    [header.attempt]: attemptOf(message) + 1,
    [header.firstFailedAt]: firstFailedAt(message, now),
  },
});

/**
 * The copy that comes back later although nothing was wrong with it: the same try again.
 * @param returnCount how often a process died with it so far; being copied must not make the broker's count of it start anew.
 */
export const forLater = (message: WireMessage, returnCount = 0): WireMessage => ({
  ...message,
  headers: { ...keptHeaders(message.headers), ...(returnCount > 0 ? { [header.returns]: returnCount } : {}) },
});

/** The copy of one that no consumer has known so far. */
export const forNewerConsumer = (message: WireMessage): WireMessage => ({
  ...message,
  headers: { ...keptHeaders(message.headers), [header.unknown]: countHeader(message, header.unknown) + 1 },
});

/** The copy for the dead-letter queue: says what went wrong, when, how often and where. */
export const forDeadLetterQueue = (message: WireMessage, error: unknown, originQueue: string): WireMessage => {
  const now = new Date();
  const traceId = traceIdOf(textHeader(message, header.traceparent));
  return {
    ...message,
    headers: {
      ...keptHeaders(message.headers),
      [header.error]: errorMessage(error).slice(0, MAX_ERROR_LENGTH),
      [header.errorClass]: errorClass(error),
      [header.stackHash]: stackHash(error),
      [header.attempts]: attemptOf(message),
      [header.firstFailedAt]: firstFailedAt(message, now),
      [header.lastFailedAt]: now.toISOString(),
      [header.originQueue]: originQueue,
      ...(traceId === undefined ? {} : { [header.traceId]: traceId }),
    },
  };
};

/** The kind of an error as a metric label and header: its name, which comes from the closed set of our classes and Node's. */
export const errorClass = (error: unknown): string => (error instanceof Error ? error.name : typeof error).slice(0, 60);

/** What an error says; anything else that was thrown says only what it is. */
export const errorMessage = (error: unknown): string => {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : `something other than an error was thrown: ${typeof error}`;
};

const firstFailedAt = (message: WireMessage, now: Date): string => textHeader(message, header.firstFailedAt) ?? now.toISOString();

/** Groups dead letters by the place in the code they died at: the frames without their positions, which change with every build. */
const stackHash = (error: unknown): string => {
  const frames = error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)) : [];
  const places = frames.map((frame) => frame.replace(/\(?(?:file:\/\/)?\/.*\/|:\d+:\d+\)?$/g, ''));
  return createHash('sha256')
    .update([errorClass(error), ...places].join('\n'))
    .digest('hex')
    .slice(0, 12);
};

// x-death and its kin are the broker's: RabbitMQ 3.x merges what a client sends back into its own counts, 4.x ignores it.
const BROKER_HEADER = /^x-(death|first-death-|last-death-|delivery-count$|acquired-count$)/;

const OURS: ReadonlySet<string> = new Set(Object.values(header));

/**
 * What a copy keeps: plain values of a bounded size. A header table that does not fit into one frame cannot be sent at all, and its message
 * would occupy a consumer for ever.
 */
const keptHeaders = (headers: WireHeaders): WireHeaders => {
  const plain = Object.entries(headers).filter(([name, value]) => !BROKER_HEADER.test(name) && isPlain(name, value));
  const [ours, foreign] = [plain.filter(([name]) => OURS.has(name)), plain.filter(([name]) => !OURS.has(name))];
  return Object.fromEntries([...ours, ...foreign.slice(0, MAX_FOREIGN_HEADERS)]);
};

const isPlain = (name: string, value: unknown): boolean => {
  if (Buffer.byteLength(name) > 128) return false;
  if (typeof value === 'string') return Buffer.byteLength(value) <= MAX_HEADER_BYTES;
  return typeof value === 'boolean' || Number.isSafeInteger(value);
};
