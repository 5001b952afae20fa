import { deadLetterQueue, retryQueue, topologyOf } from '#lib/bus/topology';
import { type EventType, eventSchemas } from '#lib/contracts/events';
import { EVENTS_EXCHANGE, type PipelineRow, pipeline, publishersOf, RETRY_DELAYS_MS } from '#lib/contracts/pipeline';
import { type DocumentPart, exchangeChannel, inChannel, queueChannel, seconds } from './channels.js';
import { eventTexts } from './event-texts.js';
import { type Json, type JsonSchemas, refTo } from '../json-schemas.js';
import { pascal } from './names.js';

const types = Object.keys(eventSchemas) as EventType[];
const rows = Object.entries<PipelineRow>(pipeline);

/** An event as it is published: the example of its text in an envelope. */
export const exampleOf = (type: EventType): Json => {
  const data = eventTexts[type].example;
  const occurredAt = '2026-01-31T09:30:00.000Z';
  return { eventId: '0199a2f0-9000-7000-8000-000000000007', type, version: 1, occurredAt, conversationId: data.conversationId, data };
};

const eventMessage = (type: EventType, schemas: JsonSchemas): Json => {
  const { title, summary } = eventTexts[type];
  const headers = { 'x-schema-version': 1, 'x-attempt': 1, 'x-request-id': '0199a2f0-8000-7000-8000-000000000008' };
  return {
    name: type,
    title,
    summary,
    contentType: 'application/json',
    headers: refTo('components', 'schemas', 'EventHeaders'),
    payload: schemas.add(pascal(type), eventSchemas[type]),
    correlationId: { location: '$message.payload#/eventId', description: 'The same through every retry and replay' },
    tags: publishersOf(type).map((app) => ({ name: app })),
    bindings: { amqp: { contentEncoding: 'utf-8', messageType: type, bindingVersion: '0.3.0' } },
    examples: [{ name: pascal(type), headers, payload: exampleOf(type) }],
  };
};

/** A dead letter carries the body of the event, byte for byte. */
const deadLetterMessage = (schemas: JsonSchemas): Json => ({
  name: 'DeadLetter',
  title: 'Dead letter',
  summary: 'An event that was given up on: its body byte for byte, with headers that say what went wrong, when, how often and where.',
  contentType: 'application/json',
  headers: refTo('components', 'schemas', 'DeadLetterHeaders'),
  payload: { oneOf: types.map((type) => schemas.add(pascal(type), eventSchemas[type])) },
  examples: [
    {
      name: 'DeadLetter',
      headers: {
        'x-schema-version': 1,
        'x-attempt': 3,
        'x-attempts': 3,
        'x-error': 'the vector has another dimension',
        'x-error-class': 'Reject',
        'x-stack-hash': '9f86d081884c',
        'x-first-failed-at': '2026-01-31T09:30:01.000Z',
        'x-last-failed-at': '2026-01-31T09:30:09.000Z',
        'x-origin-queue': 'embedding.messages',
      },
      payload: exampleOf('message.created'),
    },
  ],
});

const describeRow = (queue: string, { batch, concurrency, attempts, deadlineMs, pausesWith }: PipelineRow): string =>
  `Up to ${batch.size} at once, ${concurrency} batches in hand per process, ${attempts} attempts of ${seconds(deadlineMs)} each, then ` +
  `\`${deadLetterQueue(queue)}\`. Pauses while a breaker of ${pausesWith.join(', ')} is open: an outage is no attempt.`;

const PERSISTENT = { amqp: { deliveryMode: 2, timestamp: true, bindingVersion: '0.3.0' } };
const ACKED = { amqp: { ack: true, bindingVersion: '0.3.0' } };

/** Events: the exchange, the queues that hear them, their retries and dead letters, and who sends and receives. */
export const eventPart = (schemas: JsonSchemas): DocumentPart => {
  const plans = new Map(topologyOf(pipeline).queues.map((plan) => [plan.name, plan]));
  const channels: Record<string, Json> = Object.fromEntries(
    types.map((type) => [
      type,
      exchangeChannel(
        type,
        { name: EVENTS_EXCHANGE, type: 'topic' },
        { title: eventTexts[type].title, description: eventTexts[type].summary },
        [type],
      ),
    ]),
  );
  const operations: Record<string, Json> = {};
  for (const type of types) {
    for (const app of publishersOf(type)) {
      operations[`${app}.send.${type}`] = {
        action: 'send',
        channel: refTo('channels', type),
        title: `${app} sends ${type}`,
        summary: eventTexts[type].summary,
        messages: inChannel(type, [type]),
        tags: [{ name: app }],
        bindings: PERSISTENT,
      };
    }
  }
  for (const [queue, row] of rows) {
    const dead = deadLetterQueue(queue);
    const add = (name: string, title: string, messages: readonly string[], description: string, boundTo?: readonly string[]) => {
      const plan = plans.get(name);
      if (plan !== undefined) channels[name] = queueChannel(plan, title, messages, description, boundTo);
    };
    add(queue, `Work of ${row.app}`, row.hears, describeRow(queue, row), row.hears);
    operations[`${row.app}.receive.${queue}`] = {
      action: 'receive',
      channel: refTo('channels', queue),
      title: `${row.app} handles ${queue}`,
      summary: `Acknowledged when its effect is stored${row.emits.length === 0 ? '' : ` and ${row.emits.join(', ')} confirmed`}.`,
      messages: inChannel(queue, row.hears),
      tags: [{ name: row.app }],
      bindings: ACKED,
    };
    for (const [index, delayMs] of RETRY_DELAYS_MS.entries()) {
      const waiting = retryQueue(queue, index + 1);
      add(
        waiting,
        `Retry ${index + 1} of ${queue}`,
        row.hears,
        `Waits about ${seconds(delayMs)} and comes back to \`${queue}\` by itself.`,
      );
      operations[`${row.app}.send.${waiting}`] = {
        action: 'send',
        channel: refTo('channels', waiting),
        title: `${row.app} tries again after ${seconds(delayMs)}`,
        summary: 'The same body and `message_id`; `x-attempt` is one more after a failure, the same after a postponement.',
        messages: inChannel(waiting, row.hears),
        tags: [{ name: row.app }, { name: 'retries' }],
        bindings: PERSISTENT,
      };
    }
    add(
      dead,
      `Dead letters of ${queue}`,
      ['DeadLetter'],
      `What was given up on stays until an operator replays it to \`${queue}\` or discards it.`,
    );
    operations[`${row.app}.send.${dead}`] = {
      action: 'send',
      channel: refTo('channels', dead),
      title: `${row.app} gives up`,
      summary: `After ${row.attempts} attempts, or at once where trying again cannot help.`,
      messages: inChannel(dead, ['DeadLetter']),
      tags: [{ name: row.app }, { name: 'dead letters' }],
      bindings: PERSISTENT,
    };
    operations[`gateway.receive.${dead}`] = {
      action: 'receive',
      channel: refTo('channels', dead),
      title: `The gateway shows, replays and discards dead letters of ${queue}`,
      summary: 'For `/v1/admin/dead-letters`, one process at a time (`.dlq.lock`).',
      messages: inChannel(dead, ['DeadLetter']),
      tags: [{ name: 'gateway' }, { name: 'dead letters' }],
      bindings: ACKED,
    };
  }
  const messages = Object.fromEntries(types.map((type) => [type, eventMessage(type, schemas)]));
  return { channels, operations, messages: { ...messages, DeadLetter: deadLetterMessage(schemas) } };
};
