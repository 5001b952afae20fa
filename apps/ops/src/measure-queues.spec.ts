import { beforeEach, expect, it } from 'vitest';
import type { QueuesView, QueueWatch } from '#lib/bus/queue-status/queue-watch';
import type { QueueView } from '#lib/contracts/http';
import { metrics } from '#lib/runtime/metrics/metrics';
import { MeasureQueues } from './measure-queues.js';

const aQueue = (known: Partial<QueueView>): QueueView => ({
  name: 'embedding.messages',
  ready: null,
  unacked: null,
  consumers: null,
  paused: null,
  pausedSince: null,
  oldestAgeSeconds: null,
  deadLetters: null,
  unknown: false,
  ...known,
});

let seen: QueueView[];
let measureQueues: MeasureQueues;
beforeEach(() => {
  measureQueues = new MeasureQueues({ read: async () => ({ items: seen }) as unknown as QueuesView } as QueueWatch);
});

const valuesOf = async (gauge: 'queueLength' | 'queueConsumers' | 'queueOldestAge' | 'consumerPaused') =>
  Object.fromEntries(
    (await metrics[gauge].get()).values
      .filter(({ labels }) => /^(embedding|removed)\.messages/.test(String(labels['queue']))) // other files of this process count other queues
      .map(({ labels, value }) => [labels['queue'], value]),
  );

it('each queue has its ready and dead messages, its consumers, the age of the oldest and its pause as metrics', async () => {
  seen = [aQueue({ ready: 7, consumers: 2, deadLetters: 0, oldestAgeSeconds: 12.5, paused: true })];
  await measureQueues.execute();
  expect(await valuesOf('queueLength')).toEqual({ 'embedding.messages': 7, 'embedding.messages.dlq': 0 });
  expect(await valuesOf('queueConsumers')).toEqual({ 'embedding.messages': 2 });
  expect(await valuesOf('queueOldestAge')).toEqual({ 'embedding.messages': 12.5 });
  expect(await valuesOf('consumerPaused')).toEqual({ 'embedding.messages': 1 });
});

it('a metric of a queue disappears when its value is not known, instead of keeping the old one or 0', async () => {
  seen = [aQueue({ ready: 7, deadLetters: 1, oldestAgeSeconds: 3, paused: false })];
  await measureQueues.execute();
  seen = [aQueue({})];
  await measureQueues.execute();
  expect(await valuesOf('queueLength')).toEqual({});
  expect(await valuesOf('queueOldestAge')).toEqual({});
  expect(await valuesOf('consumerPaused')).toEqual({});
});

it('an unknown queue has its metrics for as long as it is there', async () => {
  seen = [aQueue({ ready: 0 }), aQueue({ name: 'removed.messages', unknown: true, ready: 9, consumers: 0, oldestAgeSeconds: 60 })];
  await measureQueues.execute();
  expect(await valuesOf('queueConsumers')).toEqual({});
  expect(await valuesOf('queueLength')).toMatchObject({ 'removed.messages': 9 });
  seen = [aQueue({ ready: 0 })];
  await measureQueues.execute();
  expect(await valuesOf('queueLength')).toEqual({ 'embedding.messages': 0 });
  expect(await valuesOf('queueOldestAge')).toEqual({});
});
