import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createLogger } from '#lib/runtime/log/logger';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { metrics } from '#lib/runtime/metrics/metrics';
import { eventually } from '#lib/testing/eventually';
import { aMessageCreated } from '#lib/testing/builders';
import { aRequestRow, aRow } from '../../builders.contract.js';
import { type BusPlan, type BusUnderTest, busContract } from '../../bus.contract.js';
import { aDeadLetter, type DeadLettersUnderTest, deadLettersContract, QUEUE, ROOM } from '../../dead-letters/dead-letters.contract.js';
import { MemoryJournal } from '../../journal/adapters/memory-journal.js';
import type { JournalChanges, JournalPort } from '../../journal/journal.port.js';
import { requesterContract } from '../../request-reply/requester.contract.js';
import type { Delivery } from '../../consume/source/delivery.js';
import { deadLetterQueue, retryQueue } from '../../topology.js';
import { toWireMessage, type WireMessage } from '../../wire-message.js';
import { MemoryServer } from '../memory/memory-server.js';
import { InProcessRequests } from './in-process-requests.js';
import { JournaledBus } from './journaled-bus.js';
import { JournaledDeadLetters } from './journaled-dead-letters.js';
import { JournaledQueueStatus } from './journaled-queue-status.js';

const logger = createLogger('test', process.env['BUS_LOG'] ?? 'silent');

const opened = async (journal: JournalPort, plan: Partial<BusPlan> = {}): Promise<JournaledBus> => {
  const bus = new JournaledBus({ journal, logger, publishTimeoutMs: 1_000, ...plan });
  await bus.open();
  return bus;
};

/** Everything of a queue, taken out of the journal as well. */
const takeAll = async (bus: JournaledBus, journal: JournalPort, queue: string): Promise<WireMessage[]> => {
  await bus.flush(1_000); // what is counted may still be on its way
  const taken =
    bus.pipeline[queue] === undefined ? (await journal.read(queue, 0, 1_000)).map(({ message }) => message) : bus.queue(queue).takeAll();
  const entries = await journal.read(queue, 0, 1_000);
  await journal.write({ added: [], removed: entries });
  return taken;
};

const busUnderTest = async ({ pipeline, retryDelaysMs }: BusPlan): Promise<BusUnderTest> => {
  const journal = new MemoryJournal();
  const bus = await opened(journal, { pipeline, retryDelaysMs });
  return {
    publisher: bus,
    serve: (options) => new MemoryServer({ app: 'embedding', bus, logger, ...options }),
    copyTo: (queue, message) => bus.copyTo(queue, message),
    readyIn: async (queue) => bus.readyIn(queue),
    takeAll: (queue) => takeAll(bus, journal, queue),
    stop: () => bus.stop(),
  };
};

const lettersUnderTest = async (): Promise<DeadLettersUnderTest> => {
  const journal = new MemoryJournal();
  const bus = await opened(journal, { pipeline: { [QUEUE]: aRow({ maxLength: ROOM }) } });
  return {
    port: new JournaledDeadLetters(bus),
    copyTo: (queue, message) => bus.copyTo(queue, message),
    takeAll: (queue) => takeAll(bus, journal, queue),
    stop: () => bus.stop(),
  };
};

describe('JournaledBus', () => {
  busContract(busUnderTest);
});

describe('JournaledDeadLetters', () => {
  deadLettersContract(lettersUnderTest);
});

describe('InProcessRequests', () => {
  requesterContract(async () => {
    const requests = new InProcessRequests(createBreakers());
    const respond = async (queue: string, answer: (question: unknown) => Promise<unknown>) =>
      requests.respond(queue, { row: aRequestRow(), question: z.any(), answer, concurrency: 4 });
    return { requester: requests, respond };
  });
});

/** A journal that fails as often as it is told, before or after it has written. */
class FailingJournal extends MemoryJournal {
  failures = 0;
  writesAnyway = false;

  override async write(changes: JournalChanges): Promise<void> {
    const fails = this.failures > 0;
    if (fails) this.failures -= 1;
    if (!fails || this.writesAnyway) await super.write(changes);
    if (fails) throw new Error('the store is away');
  }
}

describe('a journaled bus', () => {
  const pipeline = { [QUEUE]: aRow() };

  /** Takes so many deliveries and settles none. */
  const taking = (bus: JournaledBus, prefetch = 10_000) => {
    const taken: Delivery[] = [];
    const consumption = bus.queue(QUEUE).consume(prefetch, (delivery) => taken.push(delivery));
    bus.queue(QUEUE).setOpen(consumption, true);
    return { taken, settle: () => consumption.settle(taken.map(({ tag }) => tag)) };
  };
  const publishMany = async (bus: JournaledBus, count: number) => {
    const events = Array.from({ length: count }, () => aMessageCreated());
    const outcomes = await Promise.all(events.map((event) => bus.publish(event)));
    return { ids: events.map(({ eventId }) => eventId), outcomes };
  };

  it('what a killed process had not settled comes again in order, marked as returned; what was settled does not', async () => {
    const journal = new MemoryJournal();
    const first = await opened(journal, { pipeline });
    const before = taking(first, 5);
    const { ids } = await publishMany(first, 12);
    await eventually(() => expect(before.taken).toHaveLength(5));
    before.settle();
    await eventually(() => expect(before.taken).toHaveLength(10));
    await first.flush(1_000);

    const second = await opened(journal, { pipeline });
    const after = taking(second);
    await eventually(() => expect(after.taken.map(({ id }) => id)).toEqual(ids.slice(5)));
    expect(after.taken[0]).toMatchObject({ isRedelivered: true, returnCount: 1 });
    expect(second.readyIn(QUEUE)).toBe(0);
  });

  it('holds a bounded part of a long queue in memory, and delivers all of it in order', async () => {
    const bus = await opened(new MemoryJournal(), { pipeline: { [QUEUE]: aRow({ maxLength: 100_000 }) } });
    const ids: string[] = [];
    for (let i = 0; i < 5; i += 1) ids.push(...(await publishMany(bus, 900)).ids);
    expect([bus.readyIn(QUEUE), bus.queue(QUEUE).readyCount]).toEqual([4_500, 1_000]);
    // All of it is what alerts look at: what is in memory is never more than 1,000.
    const few = bus.queue(QUEUE).consume(10, () => undefined);
    bus.queue(QUEUE).setOpen(few, true);
    await eventually(async () =>
      expect((await metrics.queueLength.get()).values.find(({ labels }) => labels['queue'] === QUEUE)?.value).toBe(4_490),
    );
    bus.queue(QUEUE).end(few);
    const seen: (string | undefined)[] = [];
    const consumption = bus.queue(QUEUE).consume(50, ({ id, tag }) => {
      seen.push(id);
      consumption.settle([tag]);
    });
    bus.queue(QUEUE).setOpen(consumption, true);
    await eventually(() => expect(seen).toHaveLength(4_500));
    expect(seen).toEqual(ids);
    expect(bus.readyIn(QUEUE)).toBe(0);
  });

  it('refuses what exceeds the length of its queue, and takes more when there is room again', async () => {
    const bus = await opened(new MemoryJournal(), { pipeline: { [QUEUE]: aRow({ maxLength: 3 }) } });
    const { outcomes } = await publishMany(bus, 4);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['confirmed', 'confirmed', 'confirmed', 'nacked']);
    const { taken, settle } = taking(bus);
    await eventually(() => expect(taken).toHaveLength(3));
    settle();
    expect((await publishMany(bus, 1)).outcomes).toEqual([{ kind: 'confirmed' }]);
  });

  it.each([true, false])(
    'an event whose write failed is not confirmed; when it is there all the same (%s), it is delivered',
    async (writesAnyway) => {
      const journal = new FailingJournal();
      const bus = await opened(journal, { pipeline });
      Object.assign(journal, { failures: 1, writesAnyway });
      const failed = await publishMany(bus, 1);
      expect(failed.outcomes).toMatchObject([{ kind: 'ambiguous' }]);
      await eventually(() => expect(bus.isHealthy).toBe(true));
      const good = await publishMany(bus, 1);
      const { taken } = taking(bus);
      await eventually(() => expect(taken.map(({ id }) => id)).toEqual(writesAnyway ? [...failed.ids, ...good.ids] : good.ids));
      expect(bus.readyIn(QUEUE)).toBe(0);
    },
  );

  it('a message that waits for its retry survives the process, and moves when its time has come', async () => {
    const journal = new MemoryJournal();
    const retryDelaysMs = [200];
    const first = await opened(journal, { pipeline, retryDelaysMs });
    const message = toWireMessage(aMessageCreated());
    expect(await first.copyTo(retryQueue(QUEUE, 1), message)).toEqual({ kind: 'confirmed' });
    await first.stop();
    const second = await opened(journal, { pipeline, retryDelaysMs });
    expect(second.readyIn(retryQueue(QUEUE, 1))).toBe(1);
    const { taken } = taking(second);
    await eventually(() => expect(taken.map(({ id }) => id)).toEqual([message.id]));
    expect(second.readyIn(retryQueue(QUEUE, 1))).toBe(0);
    expect(await journal.read(retryQueue(QUEUE, 1), 0, 1)).toEqual([]);
  });

  it('a dead letter that was removed by work that failed is gone for the next reader, and is counted once', async () => {
    const bus = await opened(new MemoryJournal(), { pipeline });
    const letters = new JournaledDeadLetters(bus);
    const [first, second] = [aDeadLetter(), aDeadLetter()];
    for (const letter of [first, second]) await bus.copyTo(deadLetterQueue(QUEUE), letter);
    const removeFirst = letters.lock(QUEUE, async (locked) => {
      const letter = await locked.next();
      if (letter !== undefined) locked.remove(letter);
      throw new Error('the operator has gone');
    });
    const all = letters.lock(QUEUE, async (locked) => [locked.count, (await locked.next())?.id, await locked.next()]);
    await expect(removeFirst).rejects.toThrow('the operator has gone');
    expect(await all).toEqual([1, second.id, undefined]);
    expect(bus.readyIn(deadLetterQueue(QUEUE))).toBe(1);
  });

  it.each([true, false])('a dead letter whose write got no answer is listed and counted when it is there (%s)', async (writesAnyway) => {
    const journal = new FailingJournal();
    const bus = await opened(journal, { pipeline });
    const [first, second] = [aDeadLetter(), aDeadLetter()];
    Object.assign(journal, { failures: 1, writesAnyway });
    expect(await bus.copyTo(deadLetterQueue(QUEUE), first)).toMatchObject({ kind: 'ambiguous' });
    await eventually(() => expect(bus.isHealthy).toBe(true));
    expect(await bus.copyTo(deadLetterQueue(QUEUE), second)).toEqual({ kind: 'confirmed' });
    const wanted = writesAnyway ? [first.id, second.id] : [second.id];
    const found = await new JournaledDeadLetters(bus).lock(QUEUE, async (locked) => [(await locked.next())?.id, (await locked.next())?.id]);
    expect(found.filter((id) => id !== undefined)).toEqual(wanted);
    expect(bus.readyIn(deadLetterQueue(QUEUE))).toBe(wanted.length);
    await bus.stop();
  });

  it('dead letters are still there for the next process', async () => {
    const journal = new MemoryJournal();
    const first = await opened(journal, { pipeline });
    await first.copyTo(deadLetterQueue(QUEUE), aDeadLetter());
    const second = await opened(journal, { pipeline });
    const [status] = await new JournaledQueueStatus(second).read();
    expect(status).toMatchObject({ name: QUEUE, deadLetters: 1, ready: 0 });
  });
});
