import { describe, expect, inject, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { aRow } from '../../builders.contract.js';
import {
  aDeadLetter,
  type DeadLettersUnderTest,
  deadLettersContract,
  idsOf,
  QUEUE,
  ROOM,
} from '../../dead-letters/dead-letters.contract.js';
import { DeadLetters } from '../../dead-letters/dead-letters.js';
import { deadLetterQueue } from '../../topology.js';
import type { WireMessage } from '../../wire-message.js';
import { RabbitDeadLetters } from './rabbit-dead-letters.js';
import { rabbitOperator } from './rabbit-operator.contract.js';
import { RabbitPublisher } from './rabbit-publisher.js';

const logger = createLogger('test', process.env['BUS_LOG'] ?? 'silent');
const DLQ = deadLetterQueue(QUEUE);

const start = async (room = ROOM): Promise<DeadLettersUnderTest & { url: string; publisher: RabbitPublisher }> => {
  const operator = await rabbitOperator(inject('stack'));
  const { url } = operator;
  const pipeline = { [QUEUE]: aRow({ maxLength: room }) };
  const publisher = new RabbitPublisher({ url, app: 'test', window: 256, confirmTimeoutMs: 5_000, heartbeatS: 5, logger, pipeline });
  await publisher.start();
  return {
    url,
    publisher,
    port: new RabbitDeadLetters({ url, app: 'test', heartbeatS: 5, publisher, logger }),
    copyTo: (queue, message) => publisher.copyTo(queue, message),
    takeAll: operator.takeAll,
    stop: async () => {
      await publisher.stop();
      await operator.stop();
    },
  };
};

describe('RabbitDeadLetters', () => {
  deadLettersContract(start);

  const bury = async ({ copyTo }: DeadLettersUnderTest, count: number): Promise<WireMessage[]> => {
    const letters = Array.from({ length: count }, () => aDeadLetter());
    // A channel keeps their order; as many at once as the confirm window takes.
    for (let from = 0; from < count; from += 100) {
      const outcomes = await Promise.all(letters.slice(from, from + 100).map((letter) => copyTo(DLQ, letter)));
      expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['confirmed']));
    }
    return letters;
  };

  it('thousands of letters keep their order over many reads, replays and discards', { timeout: 90_000 }, async () => {
    const bus = await start(10_000);
    try {
      let letters = await bury(bus, 2_500);
      const deadLetters = new DeadLetters(bus.port, logger);
      const order = { queue: QUEUE, dryRun: false, force: false };
      for (const at of [1_700, 3, 900]) {
        expect((await deadLetters.list({ queue: QUEUE, limit: 10 })).items.map(({ id }) => id)).toEqual(idsOf(letters.slice(0, 10)));
        const [one, other] = letters.splice(at, 2);
        await deadLetters.replay({ ...order, ids: [one?.id ?? ''] }, 'alice');
        await deadLetters.discard({ ...order, ids: [other?.id ?? ''] }, 'alice');
      }
      letters = [...letters, ...(await bury(bus, 5))];
      expect(await deadLetters.discard({ ...order, all: true, first: 1_000 }, 'alice')).toMatchObject({ done: 1_000 });
      expect(idsOf(await bus.takeAll(DLQ))).toEqual(idsOf(letters.slice(1_000)));
    } finally {
      await bus.stop();
    }
  });

  it('no letter is lost when the connection breaks in the middle of a replay: only the current one may be there twice', async () => {
    const bus = await start(10_000);
    const proxy = await FaultProxy.before(bus.url);
    try {
      const letters = await bury(bus, 600);
      let sent = 0;
      // The copies travel on a connection of their own, so that only the letters' connection breaks.
      const publisher = {
        copyTo: async (queue: string, copy: WireMessage) => {
          const outcome = await bus.copyTo(queue, copy);
          sent += 1;
          if (sent === 250) await proxy.set({ kind: 'reset' });
          return outcome;
        },
      };
      const port = new RabbitDeadLetters({ url: proxy.through(bus.url), app: 'test', heartbeatS: 5, publisher, logger });
      const replay = new DeadLetters(port, logger).replay({ queue: QUEUE, all: true, dryRun: false, force: false }, 'alice');
      await expect(replay).rejects.toMatchObject({ name: 'DependencyError', dependency: 'rabbitmq', kind: 'unavailable' });
      const back = await bus.takeAll(QUEUE);
      const left = await bus.takeAll(DLQ);
      const union = new Set([...idsOf(back), ...idsOf(left)]);
      expect(union).toEqual(new Set(idsOf(letters)));
      expect(new Set(idsOf(back)).size).toBe(back.length);
    } finally {
      await proxy.stop();
      await bus.stop();
    }
  });

  it('an absent RabbitMQ is reported soon', async () => {
    const publisher = { copyTo: async () => ({ kind: 'confirmed' }) as const };
    const port = new RabbitDeadLetters({ url: 'amqp://127.0.0.1:1', app: 'test', heartbeatS: 5, publisher, logger });
    const startedAt = performance.now();
    await expect(port.lock(QUEUE, async () => undefined)).rejects.toMatchObject({ name: 'DependencyError', kind: 'unavailable' });
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});
