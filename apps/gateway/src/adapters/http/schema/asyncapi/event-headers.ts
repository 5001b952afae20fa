import { header } from '#lib/bus/wire-message';
import type { Json } from '../json-schemas.js';

const text = (description: string): Json => ({ type: 'string', description });
const count = (description: string): Json => ({ type: 'integer', minimum: 1, description });
const when = (description: string): Json => ({ type: 'string', format: 'date-time', description });

/** Every header of an event and of its copies; `wire-message.ts` reads and writes them. */
const headerSchemas: Readonly<Record<(typeof header)[keyof typeof header], Json>> = {
  'x-schema-version': count('`version` of the envelope'),
  'x-attempt': count('Which try this is'),
  'x-request-id': text('The request that it comes from'),
  'x-conversation-id': text('`conversationId` of the envelope, unless it is null'),
  traceparent: text('W3C Trace Context'),
  'x-error': text('Dead letters: what went wrong, up to 500 characters'),
  'x-error-class': text('Dead letters: the name of the error'),
  'x-first-failed-at': when('Retries and dead letters: when it failed first'),
  'x-last-failed-at': when('Dead letters: when it failed last'),
  'x-origin-queue': text('Dead letters: the queue whose consumer gave up, where a replay puts it'),
  'x-attempts': count('Dead letters: how often it was tried'),
  'x-stack-hash': text('Dead letters: the same for all that died at the same place in the code'),
  'x-trace-id': text('Dead letters: the trace of the last try'),
  'x-replayed': count('How often it was replayed'),
  'x-replayed-at': when('When it was replayed last'),
  'x-returns': count('How often a process died with it before it was copied'),
  'x-unknown': count('How often it was postponed because no consumer knew its type'),
};
const ALWAYS = [header.schemaVersion, header.attempt];
const OF_DEAD_LETTERS = [
  header.error,
  header.errorClass,
  header.stackHash,
  header.attempts,
  header.firstFailedAt,
  header.lastFailedAt,
  header.originQueue,
];

/** Headers as schemas, for the components of the document. */
export const headerComponents = (): Readonly<Record<string, Json>> => ({
  EventHeaders: { title: 'EventHeaders', type: 'object', properties: headerSchemas, required: ALWAYS },
  DeadLetterHeaders: {
    title: 'DeadLetterHeaders',
    type: 'object',
    properties: headerSchemas,
    required: [...ALWAYS, ...OF_DEAD_LETTERS],
  },
});
