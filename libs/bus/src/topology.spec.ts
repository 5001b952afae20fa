import { describe, expect, it } from 'vitest';
import { pipeline, RETRY_DELAYS_MS } from '#lib/contracts/pipeline';
import { aRow } from './builders.contract.js';
import { isHeard, retryDelayMs, topologyOf } from './topology.js';

const rows = { 'embedding.messages': aRow({ maxLength: 500 }) };

describe('topologyOf', () => {
  it('each row has its work queue, three retry queues and a dead-letter queue', () => {
    expect(topologyOf(rows).queues.map(({ name }) => name)).toEqual([
      'embedding.messages',
      'embedding.messages.retry.1',
      'embedding.messages.retry.2',
      'embedding.messages.retry.3',
      'embedding.messages.dlq',
    ]);
  });

  it('no message is dropped on its way from one queue to the next', () => {
    const [work, firstRetry] = topologyOf(rows).queues;
    expect(work?.arguments).toEqual({
      'x-queue-type': 'quorum',
      'x-delivery-limit': 20,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'embedding.messages.dlq',
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
      'x-max-length': 500,
    });
    expect(firstRetry?.arguments).toEqual({
      'x-queue-type': 'quorum',
      'x-message-ttl': retryDelayMs('embedding.messages', 1),
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'embedding.messages',
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
      'x-max-length': 500,
    });
  });

  it('each row binds the events that it hears', () => {
    expect(topologyOf({ q: aRow({ hears: ['message.created', 'message.deleted'] }) })).toMatchObject({
      exchange: 'parley.events',
      bindings: [
        { queue: 'q', routingKey: 'message.created' },
        { queue: 'q', routingKey: 'message.deleted' },
      ],
    });
  });

  it('the topology is the same at every boot', () => {
    expect(topologyOf(pipeline)).toEqual(topologyOf(structuredClone(pipeline)));
  });
});

describe('retryDelayMs', () => {
  it('the jitter adds up to a tenth, fixed by the name of the queue', () => {
    const queues = Array.from({ length: 50 }, (_, index) => `queue-${index}`);
    const delays = queues.map((queue) => retryDelayMs(queue, 1));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(RETRY_DELAYS_MS[0]);
    expect(Math.max(...delays)).toBeLessThanOrEqual(RETRY_DELAYS_MS[0] * 1.1);
    expect(new Set(delays).size).toBeGreaterThan(30);
    expect(queues.map((queue) => retryDelayMs(queue, 1))).toEqual(delays);
  });

  it('the delay of an existing queue never changes: the broker would refuse to declare it', () => {
    expect([1, 2, 3].map((tier) => retryDelayMs('embedding.messages', tier))).toMatchInlineSnapshot(`
      [
        2149,
        4299,
        8598,
      ]
    `);
  });

  it('a tier beyond the last is an error', () => {
    expect(() => retryDelayMs('q', 4)).toThrow(RangeError);
  });
});

describe('isHeard', () => {
  it('an event is heard when a row has its type', () => {
    expect(isHeard(rows, 'message.created')).toBe(true);
    expect(isHeard(rows, 'message.embedded')).toBe(false);
  });
});
