import { createHash } from 'node:crypto';
import type { DeadLetter, DeadLetterDetail } from '#lib/contracts/admin';
import { eventSchemas } from '#lib/contracts/events';
import { traceIdOf } from '#lib/runtime/log/traceparent';
import { attemptOf, countHeader, header, MAX_BODY_BYTES, textHeader, type WireHeaders, type WireMessage } from '../wire-message.js';

/** The header that counts replays; it survives retries and the next dead-lettering. */
export const REPLAYED = 'x-replayed';

/** Replays of one message without `force`: what failed four times in a row will fail again. */
export const MAX_REPLAYS = 3;

/** The id of a dead letter: its property, else the event id in its body, else a hash of its bytes. */
export const idOf = ({ id, body }: WireMessage): string =>
  id ?? bodyText(body, 'eventId') ?? `sha256:${createHash('sha256').update(body).digest('hex').slice(0, 32)}`;

/** Replays of a message so far. */
export const replaysOf = (message: WireMessage): number => countHeader(message, REPLAYED);

/**
 * The copy that a replay publishes: same id, type and bytes, first attempt again, one more replay. Keeps the ids of its request and the time
 * of its first failure; drops the other headers of this failure.
 */
export const forReplay = (message: WireMessage): WireMessage => ({
  ...message,
  headers: {
    ...onlyNamed(message.headers, KEPT),
    [header.attempt]: 1,
    [REPLAYED]: replaysOf(message) + 1,
    [header.replayedAt]: new Date().toISOString(),
  },
});

/** A dead letter for operators, without its payload. */
export const describeDeadLetter = (queue: string, message: WireMessage): DeadLetter => {
  const byBroker = failureByBroker(message.headers);
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

/** A dead letter with its payload. */
export const describeInFull = (queue: string, message: WireMessage): DeadLetterDetail => ({
  ...describeDeadLetter(queue, message),
  ...payloadOf(message.body),
  headers: Object.fromEntries(Object.entries(message.headers).filter(([name]) => !RETURN_COUNT.test(name))),
});

/** Headers with which RabbitMQ counts returns; here each return is a read by an operator. */
const RETURN_COUNT = /^x-(delivery|acquired)-count$/;

/** Selects dead letters; undefined selects any. */
export interface DeadLetterFilter {
  readonly type?: string | undefined;
  readonly errorClass?: string | undefined;
  readonly conversationId?: string | undefined;
  /** Part of its id, conversation, error or payload, in any case. */
  readonly text?: string | undefined;
}

/** Whether the filter selects a dead letter. @param message the one that `letter` describes. */
export const matches = (letter: DeadLetter, message: WireMessage, { type, errorClass, conversationId, text }: DeadLetterFilter): boolean =>
  (type === undefined || letter.type === type) &&
  (errorClass === undefined || letter.errorClass === errorClass) &&
  (conversationId === undefined || letter.conversationId === conversationId) &&
  (text === undefined || mentions(letter, message, text.toLowerCase()));

const mentions = ({ id, conversationId, errorClass, error }: DeadLetter, { body }: WireMessage, text: string): boolean =>
  [id, conversationId, errorClass, error].some((field) => field?.toLowerCase().includes(text)) ||
  body.toString().toLowerCase().includes(text);

const KEPT = [header.schemaVersion, header.conversationId, header.requestId, header.traceparent, header.firstFailedAt];

const onlyNamed = (headers: WireHeaders, names: readonly string[]): WireHeaders =>
  Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));

/** The failure of a message that the broker dead-lettered itself, after too many returns: it has none of Parley's headers. */
const failureByBroker = (headers: WireHeaders): { errorClass: string; error: string; at: string | null } | undefined => {
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

/** The event type: of the property, else of the body; a message without the property carries its queue's name there. */
const typeOf = ({ type, body }: WireMessage): string => (Object.hasOwn(eventSchemas, type) ? type : (bodyText(body, 'type') ?? 'unknown'));

/** A short text of the envelope; undefined when it is missing, or the body is no JSON or too large. */
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
