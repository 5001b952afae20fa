import { describe, expect, it } from 'vitest';
import type { AdminPicture, FlowNode, LiveQueue } from '#lib/contracts/admin-live';
import { stateOf } from './node-state.js';

const AT = '2026-11-22T03:00:00.000Z';
const queue: LiveQueue = {
  name: 'embedding.messages',
  ready: 0,
  unacked: 0,
  consumers: 1,
  paused: false,
  oldestAgeSeconds: 0,
  deadLetters: 0,
  unknown: false,
  pausedSince: null,
  publishedPerSecond: 0,
  handledPerSecond: 0,
};
const withQueue = (facts: Partial<LiveQueue>): Partial<AdminPicture> => ({
  queues: { state: 'known', at: AT, items: [{ ...queue, ...facts }] },
});
const node = (kind: FlowNode['kind'], more: Partial<FlowNode> = {}): FlowNode => ({ id: 'x', kind, label: 'x', column: 1, ...more });
const ofQueue = (facts: Partial<LiveQueue>) => stateOf(node('queue', { queue: queue.name }), withQueue(facts));

describe('a queue', () => {
  it('is calm while it is empty or read, and behind when its oldest message waits for half a minute', () => {
    expect(ofQueue({})).toMatchObject({ level: 'calm', state: 'idle' });
    expect(ofQueue({ ready: 3 })).toMatchObject({ level: 'calm', state: 'running' });
    expect(ofQueue({ ready: 3, oldestAgeSeconds: 31 })).toMatchObject({ level: 'attention', state: 'behind' });
  });

  it('is paused since a time, rather than without consumers', () => {
    expect(ofQueue({ paused: true, pausedSince: AT, consumers: 0 })).toMatchObject({ level: 'attention', state: 'paused', since: AT });
    expect(ofQueue({ consumers: 0 })).toMatchObject({ level: 'bad', state: 'noConsumer' });
  });

  it('of which nothing is known is unknown, not calm', () => {
    expect(ofQueue({ ready: null, consumers: null })).toMatchObject({ level: 'unknown' });
    expect(stateOf(node('queue', { queue: 'other' }), withQueue({}))).toMatchObject({ level: 'unknown' });
    expect(stateOf(node('queue', { queue: queue.name }), { queues: { state: 'unknown', since: AT, reason: 'timeout' } })).toMatchObject({
      level: 'unknown',
    });
  });
});

it('dead letters are bad from the first one on', () => {
  const of = (deadLetters: number | null) => stateOf(node('dead-letters', { queue: queue.name }), withQueue({ deadLetters })).level;
  expect([of(0), of(1), of(null)]).toEqual(['calm', 'bad', 'unknown']);
});

it('the exchange is as well as RabbitMQ, and unknown with it', () => {
  const of = (status: 'ok' | 'down') =>
    stateOf(node('exchange', { dependency: 'rabbitmq' }), {
      dependencies: {
        state: 'known',
        at: AT,
        status,
        items: [{ name: 'rabbitmq', status, latencyMs: 1, breaker: 'closed', since: AT }],
        breakers: [],
      },
    });
  expect([of('ok').state, of('down'), stateOf(node('exchange', { dependency: 'rabbitmq' }), {}).level]).toEqual([
    'running',
    expect.objectContaining({ level: 'bad', state: 'down', since: AT }),
    'unknown',
  ]);
});

it('an app is as well as its processes', () => {
  const process = {
    service: 'ops',
    target: 'x',
    since: AT,
    startedAt: AT,
    workers: 1,
    memoryBytes: 1,
    memoryLimitBytes: 1,
    cpuCores: 0,
    loopLagMs: 1,
  };
  const withProcesses = (...items: (typeof process & { ready: boolean })[]) =>
    stateOf(node('app', { service: 'ops' }), { processes: { state: 'known', at: AT, measuredAt: AT, items } });
  const of = (...ready: boolean[]) => withProcesses(...ready.map((isReady) => ({ ...process, ready: isReady })));
  expect([of(true, true), of(true, false), of(false), of()].map(({ state }) => state)).toEqual(['running', 'someAway', 'away', 'unknown']);
  expect(withProcesses({ ...process, service: 'standalone', ready: true }).state).toBe('running');
  expect(withProcesses({ ...process, service: 'gateway', ready: true }).state).toBe('unknown');
});

it('a store is as healthy as this gateway finds it, and an open breaker of another process shows', () => {
  const of = (status: 'ok' | 'degraded' | 'down', isOpen = false) =>
    stateOf(node('store', { dependency: 'chroma' }), {
      dependencies: {
        state: 'known',
        at: AT,
        status: 'ok',
        items: [{ name: 'chroma', status, latencyMs: 1, breaker: 'closed', since: AT }],
        breakers: isOpen
          ? [{ app: 'embedding', host: 'h', pid: 1, dependency: 'chroma', operation: 'upsert', state: 'open', since: AT }]
          : [],
      },
    }).state;
  expect([of('ok'), of('ok', true), of('degraded'), of('down')]).toEqual(['running', 'breakerOpen', 'degraded', 'down']);
});

it('an outbox waits when its oldest event is old, and events that were set aside are bad', () => {
  const of = (oldestAgeSeconds: number, parked = 0) =>
    stateOf(node('outbox'), { outbox: { state: 'known', at: AT, pending: 1, isEstimate: false, oldestAgeSeconds, parked } }).state;
  expect([of(1), of(20), of(1, 2)]).toEqual(['running', 'waiting', 'setAside']);
});

it('a queue of requests, of which no section tells, is nothing to look at', () => {
  expect(stateOf(node('queue', {}), {})).toEqual({ level: 'calm', state: 'plain' });
  expect(stateOf(node('queue', { queue: 'a.b' }), {}).state).toBe('unknown');
});
