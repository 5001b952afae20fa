import { deadLetterQueue, retryQueue } from '#lib/bus/topology';
import { type EventType, eventSchemas } from '#lib/contracts/events';
import { EVENTS_EXCHANGE, pipeline, publishersOf, queues, requests, RETRY_DELAYS_MS } from '#lib/contracts/pipeline';
import { asyncApi, fieldRows, payloadOf } from './asyncapi-tables.js';

const HEAD = '| --- | --- | --- | --- |';

const listeners = (type: EventType): string =>
  Object.entries(pipeline)
    .flatMap(([queue, { hears, app }]) => (hears.includes(type) ? [`${app} (\`${queue}\`)`] : []))
    .join(', ');

const section = (type: EventType): string => {
  const message = asyncApi.components.messages[type];
  if (message === undefined) throw new Error(`AsyncAPI has no ${type}`);
  const { summary, examples } = message;
  const [example] = examples;
  return `### \`${type}\`

${summary}

Sent by ${publishersOf(type).join(', ')}; received by ${listeners(type) || 'none'}.

| field of \`data\` | type | always there | |
${HEAD}
${fieldRows(payloadOf(message).properties?.['data'] ?? {})}

\`\`\`json
${JSON.stringify(example?.payload.data, undefined, 2)}
\`\`\`
`;
};

/** `docs/reference/events.md`: the queues and what the events carry, printed from `pipeline.ts` and the event schemas. */
export const renderEvents = (): string => `# Events

Printed by \`npm run docs\` from the AsyncAPI document, which is made of \`libs/contracts/src/{pipeline,events}.ts\`; a test keeps it true.
\`GET /asyncapi.json\` has all of it for programs, with every queue, its arguments, and who sends and receives as operations.

Topic exchange \`${EVENTS_EXCHANGE}\`; the routing key is the event's type. Envelope: \`{eventId, type, version, occurredAt, conversationId, data}\`.
Consumers ignore fields they do not know; \`eventId\` stays the same through every retry and replay.
Properties: \`message_id\` = \`eventId\`, \`type\` = the event's type, \`timestamp\`, \`content_type: application/json\`, persistent.

| header | type | always there | |
${HEAD}
${fieldRows(asyncApi.components.schemas['EventHeaders'] ?? {})}

## Queues

Rows of \`libs/contracts/src/pipeline.ts\`. An app puts events into a queue of events by publishing them, and requests straight into a queue of requests.

| queue | kind | produced by | consumed by | handled in |
| --- | --- | --- | --- | --- |
${Object.entries(queues)
  .map(([queue, { kind, producers, app, handler }]) => `| \`${queue}\` | ${kind} | ${producers.join(', ')} | ${app} | \`${handler}\` |`)
  .join('\n')}

### Queues of events

| queue | hears | emits | batch | attempts | deadline | pauses with |
| --- | --- | --- | --- | --- | --- | --- |
${Object.entries(pipeline)
  .map(
    ([queue, row]) =>
      `| \`${queue}\` | ${row.hears.map((type) => `\`${type}\``).join(', ')} | ${row.emits.map((type) => `\`${type}\``).join(', ') || '-'} | ${row.batch.size} or ${row.batch.waitMs} ms | ${row.attempts} | ${row.deadlineMs / 1000} s | ${row.pausesWith.join(', ')} |`,
  )
  .join('\n')}

A failed event waits in \`${retryQueue('<queue>', 1)}\` and on (${RETRY_DELAYS_MS.map((ms) => `${ms / 1000} s`).join(', ')}) and comes back to its queue; after its last attempt it goes to
\`${deadLetterQueue('<queue>')}\` with \`x-error\`, \`x-error-class\`, \`x-first-failed-at\` and \`x-origin-queue\`. An open breaker of the last column pauses the queue;
no attempt is counted.

### Queues of requests

A request goes straight to its queue and is answered to \`amq.rabbitmq.reply-to\`, once or not at all.

| queue | reply within | waiting at most | longest request |
| --- | --- | --- | --- |
${Object.entries(requests)
  .map(([queue, row]) => `| \`${queue}\` | ${row.timeoutMs / 1000} s | ${row.maxWaiting} | ${row.maxBytes / 1024} KiB |`)
  .join('\n')}

## What they carry

${(Object.keys(eventSchemas) as EventType[]).map(section).join('\n')}`;
