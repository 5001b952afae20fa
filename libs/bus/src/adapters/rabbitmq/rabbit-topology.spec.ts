import { EventEmitter } from 'node:events';
import type { ChannelModel } from 'amqplib';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RabbitTopology } from './rabbit-topology.js';

/** A broker in which a queue is missing, or refused, until it is put right. */
let refusal: { code: number; message: string } | undefined;
const model = {
  createChannel: async () =>
    Object.assign(new EventEmitter(), {
      assertExchange: async () => undefined,
      assertQueue: async () => {
        if (refusal !== undefined) throw Object.assign(new Error(refusal.message), { code: refusal.code });
      },
      bindQueue: async () => undefined,
      close: async () => undefined,
    }),
} as unknown as ChannelModel;

let lines: string[];
let topology: RabbitTopology;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  lines = [];
  const logger = pino({}, { write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg.split('\n')[0] ?? '') });
  topology = new RabbitTopology(
    { exchange: 'parley.events', queues: [{ name: 'delivery.messages', arguments: {} }], bindings: [] },
    logger,
  );
});
afterEach(() => {
  topology.stop();
  vi.useRealTimers();
});

it('a topology that other processes are still declaring is no error, and makes the process wait', async () => {
  refusal = { code: 404, message: 'no queue' };
  await topology.declare(model);
  expect(topology.drift).toBeDefined();
  await vi.advanceTimersByTimeAsync(5_000);
  refusal = undefined;
  await vi.advanceTimersByTimeAsync(1_100);
  expect({ drift: topology.drift, lines }).toEqual({ drift: undefined, lines: [] });
});

it('a topology that stays incomplete is told once', async () => {
  refusal = { code: 404, message: 'no queue' };
  await topology.declare(model);
  await vi.advanceTimersByTimeAsync(40_000);
  refusal = undefined;
  await vi.advanceTimersByTimeAsync(1_100);
  expect(lines).toEqual(['RabbitMQ differs from what this version wants:', 'RabbitMQ matches this version again']);
});

it('a topology that differs is told at once', async () => {
  refusal = { code: 406, message: 'inequivalent' };
  await topology.declare(model);
  expect(lines).toEqual(['RabbitMQ differs from what this version wants:']);
});
