import { z } from 'zod';
import { header } from '#lib/bus/wire-message';
import { type EventType, eventSchemas } from '#lib/contracts/events';
import { EVENTS_EXCHANGE, pipeline, queues, requests, RETRY_DELAYS_MS } from '#lib/contracts/pipeline';

const rowsOf = (type: EventType): string => {
  const schema = z.toJSONSchema(eventSchemas[type].shape.data, { io: 'input', unrepresentable: 'any' }) as {
    properties: Record<string, { type?: string; format?: string }>;
    required?: string[];
  };
  return Object.entries(schema.properties)
    .map(
      ([name, field]) => `| \`${name}\` | ${field.format ?? field.type ?? 'value'} | ${schema.required?.includes(name) ? 'yes' : 'no'} |`,
    )
    .join('\n');
};

/** `docs/reference/events.md`: the queues and what the events carry, printed from `pipeline.ts` and the event schemas. */
export const renderEvents = (): string => `# Events

Printed from \`libs/contracts/src/{pipeline,events}.ts\` by \`npm run docs\`; a test keeps it true. The same as AsyncAPI: \`GET /asyncapi.json\`.

Topic exchange \`${EVENTS_EXCHANGE}\`; the routing key is the event's type. Envelope: \`{eventId, type, version, occurredAt, conversationId, data}\`.
Consumers ignore fields they do not know; \`eventId\` stays the same through every retry and replay.
Properties: \`message_id\` = \`eventId\`, \`type\` = the event's type, \`timestamp\`, \`content_type: application/json\`, persistent.
Headers, each where it applies: ${Object.values(header)
  .map((name) => `\`${name}\``)
  .join(', ')}.

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

A failed event waits in \`<queue>.retry.<n>\` (${RETRY_DELAYS_MS.map((ms) => `${ms / 1000} s`).join(', ')}) and comes back to its queue; after its last attempt it goes to
\`<queue>.dlq\` with \`x-error\`, \`x-error-class\`, \`x-first-failed-at\` and \`x-origin-queue\`. An open breaker of the last column pauses the queue;
no attempt is counted.

### Queues of requests

A request goes straight to its queue and is answered to \`amq.rabbitmq.reply-to\`, once or not at all.

| queue | reply within | waiting at most | longest request |
| --- | --- | --- | --- |
${Object.entries(requests)
  .map(([queue, row]) => `| \`${queue}\` | ${row.timeoutMs / 1000} s | ${row.maxWaiting} | ${row.maxBytes / 1024} KiB |`)
  .join('\n')}

## What they carry

${(Object.keys(eventSchemas) as EventType[])
  .map((type) => `### \`${type}\`\n\n| field of \`data\` | type | always there |\n| --- | --- | --- |\n${rowsOf(type)}\n`)
  .join('\n')}`;
