import { createHash } from 'node:crypto';
import type { DeadLetter, DeadLetterDetail } from '#lib/contracts/admin';
import { eventSchemas } from '#lib/contracts/events';
import { traceIdOf } from '#lib/runtime/log/traceparent';
import { attemptOf, countHeader, header, MAX_BODY_BYTES, textHeader, type WireHeaders, type WireMessage } from '../wire-message.js';

/** Header that counts how often a message was replayed; it stays with the message through retries and its next death. */
export const REPLAYED = 'x-replayed';

/** Replays of one message before somebody has to say that it should be tried nevertheless: what failed four times in a row will fail again. */
export const MAX_REPLAYS = 3;

/** Under which id a dead letter is asked for: its property, else the event id in its body, else its bytes. */
export const idOf = ({ id, body }: WireMessage): string =>
  id ?? bodyText(body, 'eventId') ?? `sha256:${createHash('sha256').update(body).digest('hex').slice(0, 32)}`;

/** How often a message was replayed before. */
export const replaysOf = (message: WireMessage): number => countHeader(message, REPLAYED);

/**
 * The message as it goes back to its queue: same id, type and bytes, attempts counted from the start, and one replay more. Keeps what ties it
 * to its request, and when it first failed; what is said about this death goes.
 */
export const forReplay = (message: WireMessage, now = new Date()): WireMessage => ({
  ...message,
  headers: {
    ...onlyNamed(message.headers, KEPT),
    [header.attempt]: 1,
    [REPLAYED]: replaysOf(message) + 1,
    [header.replayedAt]: now.toISOString(),
  },
});

/** What operators see of a dead letter, without what it carries. */
export const describeDeadLetter = (queue: string, message: WireMessage): DeadLetter => {
  const byBroker = brokersWord(message.headers);
  return {
    id: idOf(message),
    queue,
    type: typeOf(message),
    conversationId: textHeader(message, header.conversationId) ?? bodyText(message.body, 'conversationId') ?? null,
    errorClass: textHeader(message, header.errorClass) ?? byBroker?.errorClass ?? null,
    error: textHeader(message, header.error) ?? byBroker?.error ?? null,
    attempts: wholeNumber(message.headers[header.attempts]) ?? attemptOf(message),
    firstFailedAt: textHeader(message, header.firstFailedAt) ?? byBroker?.at ?? null,
    lastFailedAt: textHeader(message, header.lastFailedAt) ?? byBroker?.at ?? null,
    traceId: textHeader(message, header.traceId) ?? traceIdOf(textHeader(message, header.traceparent)) ?? null,
    replays: replaysOf(message),
    replayedAt: textHeader(message, header.replayedAt) ?? null,
    sizeBytes: message.body.byteLength,
  };
};

/** A dead letter with what it carries. */
export const describeInFull = (queue: string, message: WireMessage): DeadLetterDetail => ({
  ...describeDeadLetter(queue, message),
  ...payloadOf(message.body),
  headers: Object.fromEntries(Object.entries(message.headers).filter(([name]) => !COUNTS_LOOKS.test(name))),
});

/** RabbitMQ counts how often it had to take a message back, which here is how often somebody looked at it. */
const COUNTS_LOOKS = /^x-(delivery|acquired)-count$/;

/** Which dead letters are meant; undefined means any. */
export interface DeadLetterFilter {
  readonly type?: string | undefined;
  readonly errorClass?: string | undefined;
  readonly conversationId?: string | undefined;
}

export const matches = (letter: DeadLetter, { type, errorClass, conversationId }: DeadLetterFilter): boolean =>
  (type === undefined || letter.type === type) &&
  (errorClass === undefined || letter.errorClass === errorClass) &&
  (conversationId === undefined || letter.conversationId === conversationId);

const KEPT = [header.schemaVersion, header.conversationId, header.requestId, header.traceparent, header.firstFailedAt];

const onlyNamed = (headers: WireHeaders, names: readonly string[]): WireHeaders =>
  Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));

/** A message that the broker itself set aside (it came back too often from consumers that died) has none of our headers. */
const brokersWord = (headers: WireHeaders): { errorClass: string; error: string; at: string | null } | undefined => {
  const [death] = Array.isArray(headers['x-death']) ? (headers['x-death'] as unknown[]) : [];
  if (typeof death !== 'object' || death === null || !('reason' in death)) return undefined;
  const seconds =
    'time' in death && typeof death.time === 'object' && death.time !== null && 'value' in death.time ? death.time.value : null;
  return {
    errorClass: 'SetAsideByBroker',
    error: `RabbitMQ set it aside: ${String(death.reason)}`,
    at: typeof seconds === 'number' ? new Date(seconds * 1_000).toISOString() : null,
  };
};

const wholeNumber = (value: unknown): number | undefined => (typeof value === 'number' && Number.isInteger(value) ? value : undefined);

/** A message without a `type` has the name of the queue it came from there; what it is says its body. */
const typeOf = ({ type, body }: WireMessage): string => (Object.hasOwn(eventSchemas, type) ? type : (bodyText(body, 'type') ?? 'unknown'));

/** A short text of the envelope; undefined when the body has none, is no JSON, or is too large to be looked into. */
const bodyText = (body: Buffer, field: 'eventId' | 'type' | 'conversationId'): string | undefined => {
  if (body.byteLength > MAX_BODY_BYTES) return undefined;
  const { payload } = payloadOf(body);
  if (typeof payload !== 'object' || payload === null || !Object.hasOwn(payload, field)) return undefined;
  const value = (payload as Record<string, unknown>)[field];
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME ? value : undefined;
};

const MAX_NAME = 100;

const payloadOf = (body: Buffer): Pick<DeadLetterDetail, 'payload' | 'payloadEncoding'> => {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return { payload: body.toString('base64'), payloadEncoding: 'base64' };
  }
  try {
    return { payload: JSON.parse(text), payloadEncoding: 'json' };
  } catch {
    return { payload: text, payloadEncoding: 'text' };
  }
};
