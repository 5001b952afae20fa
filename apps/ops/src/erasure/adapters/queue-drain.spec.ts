import { expect, it } from 'vitest';
import type { QueueView } from '#lib/contracts/http';
import { QueueDrain } from './queue-drain.js';

const AGO_S = 60;
const aQueue = (differences: Partial<QueueView> = {}): QueueView => ({
  name: 'scoring.conversations',
  ready: 0,
  unacked: 0,
  consumers: 1,
  paused: false,
  pausedSince: null,
  oldestAgeSeconds: 0,
  deadLetters: 0,
  unknown: false,
  ...differences,
});
const holding = (queue: QueueView, outbox = { pending: 0, oldestAgeSeconds: 0 }) => {
  const known = { silent: [], processes: [], others: 'asked' as const };
  const queues = { read: async () => ({ items: [queue], unknownCount: 0, consumers: known, publishers: known }) };
  const depth = async () => ({ ...outbox, parked: 0, isEstimate: false });
  return new QueueDrain(queues, { depth }).holding(new Date(Date.now() - AGO_S * 1_000));
};

it.each<[what: string, queue: Partial<QueueView>]>([
  ['is empty', {}],
  ['is empty, and has no consumer', { consumers: 0, paused: null }],
  ['has events that came after', { ready: 500, unacked: 20, oldestAgeSeconds: AGO_S - 1 }],
  ['holds the erasures themselves', { name: 'ops.erasures', ready: 3, oldestAgeSeconds: 10_000 }],
])('nothing from before is in a queue that %s', async (_, queue) => {
  expect(await holding(aQueue(queue))).toEqual([]);
});

it.each<[what: string, queue: Partial<QueueView>]>([
  ['has an event from before', { ready: 1, oldestAgeSeconds: AGO_S + 1 }],
  ['has one under way from before, and none that waits', { unacked: 1, oldestAgeSeconds: AGO_S + 1 }],
  ['is paused', { ready: 1, paused: true, oldestAgeSeconds: 1 }],
  ['has no consumer: its ages begin when they are first looked at', { ready: 1, consumers: 0, oldestAgeSeconds: 1 }],
  ['has consumers that do not answer', { ready: 1, consumers: null, paused: null, oldestAgeSeconds: 1 }],
  ['is of unknown length', { ready: null }],
  ['is of unknown age', { ready: 1, oldestAgeSeconds: null }],
])('something from before may be in a queue that %s', async (_, queue) => {
  expect(await holding(aQueue(queue))).toEqual([aQueue(queue).name]);
});

it.each([
  [{ pending: 0, oldestAgeSeconds: AGO_S + 1 }, []],
  [{ pending: 5, oldestAgeSeconds: AGO_S - 1 }, []],
  [{ pending: 5, oldestAgeSeconds: AGO_S + 1 }, ['outbox']],
])('the outbox holds something from before by the age of its oldest event: %j', async (outbox, expected) => {
  expect(await holding(aQueue(), outbox)).toEqual(expected);
});
