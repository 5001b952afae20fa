import { describe, expect, it, onTestFinished } from 'vitest';
import type { MessageEvent } from '#lib/contracts/events';
import type { PipelineRow } from '#lib/contracts/pipeline';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { currentDeadline, withDeadline } from '#lib/resilience/call/deadline';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { currentContext, runInContext } from '#lib/runtime/log/context';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import { MemoryBus } from '../adapters/memory/memory-bus.js';
import { MemoryDeliverySource } from '../adapters/memory/memory-delivery-source.js';
import { aRow, SwitchedBreakers } from '../builders.contract.js';
import { Consumer } from './consumer.js';
import type { BreakerView } from './pause.js';
import type { BatchHandler } from './run/layer.js';

const QUEUE = 'embedding.messages';

const consuming = (
  handler: BatchHandler,
  { row = {}, breakers = new SwitchedBreakers() }: { row?: Partial<PipelineRow>; breakers?: BreakerView } = {},
) => {
  const pipeline = { [QUEUE]: aRow(row) };
  const retryDelaysMs = [20, 40, 80];
  const bus = new MemoryBus({ pipeline, bufferSize: 1_000, publishTimeoutMs: 100, retryDelaysMs });
  const source = new MemoryDeliverySource(bus, QUEUE, 40);
  const consumer = new Consumer({
    queue: QUEUE,
    row: pipeline[QUEUE] ?? aRow(),
    source,
    handler,
    publisher: bus,
    breakers,
    logger: createLogger('test', 'silent'),
    timing: { retryDelaysMs, outageBackoff: { baseMs: 10, capMs: 20 } },
  });
  consumer.start();
  onTestFinished(async () => {
    await consumer.stop(0);
    bus.stop();
  });
  return { bus, consumer, dead: () => bus.queue(`${QUEUE}.dlq`).messages() };
};

describe('Consumer', () => {
  it('a hanging model pauses the consumer without an attempt counted: the call ends before the deadline of its handler', async () => {
    const breakers = createBreakers();
    const embed = new DependencyCall({ dependency: 'embedder', operation: 'embed', timeoutMs: 25, resetMs: 300 }, breakers);
    let isHung = true;
    const handled: string[] = [];
    const { bus, consumer, dead } = consuming(
      async (events) => {
        await embed.run(async () => {
          if (isHung) await new Promise(() => undefined);
        });
        handled.push(...events.map(({ eventId }) => eventId));
      },
      // One attempt: what counts as one is a dead letter.
      { breakers, row: { batch: { size: 4, waitMs: 5 }, attempts: 1, deadlineMs: 5_000, pausesWith: ['embedder'] } },
    );
    const events = Array.from({ length: 6 }, () => aMessageCreated());
    for (const event of events) await bus.publish(event);
    await eventually(() => expect([breakers.stateOf('embedder'), consumer.pauseState]).toEqual(['open', 'paused']));
    isHung = false;
    await eventually(() => expect(handled.toSorted()).toEqual(events.map(({ eventId }) => eventId).toSorted()));
    expect(dead()).toEqual([]);
  }, 15_000);

  it('an event that makes its dependency time out and opens the breaker for all does not stop the consumer', async () => {
    const breakers = createBreakers();
    const upsert = new DependencyCall({ dependency: 'chroma', operation: 'upsert', timeoutMs: 15, resetMs: 40 }, breakers);
    const bad = aMessageCreated();
    const handled = new Set<string>();
    const { bus, dead } = consuming(
      async (events) => {
        await upsert.run(async () => {
          if (events.some(({ eventId }) => eventId === bad.eventId)) await new Promise(() => undefined);
        });
        for (const { eventId } of events) handled.add(eventId);
      },
      { breakers, row: { batch: { size: 4, waitMs: 5 }, attempts: 1 } },
    );
    await bus.publish(bad);
    const good: string[] = [];
    await eventually(
      async () => {
        const event = aMessageCreated();
        good.push(event.eventId);
        await bus.publish(event);
        expect(dead().map(({ id }) => id)).toEqual([bad.eventId]);
      },
      { timeoutMs: 15_000 },
    );
    await eventually(() => expect([...handled]).toEqual(expect.arrayContaining(good)));
    expect(handled.has(bad.eventId)).toBe(false);
  }, 30_000);

  it('a handler runs outside the request that published: with ids and a deadline of its own', async () => {
    const seen: unknown[] = [];
    const { bus } = consuming(async ([event]) => {
      seen.push([
        currentContext().userId,
        currentContext().messageId === (event as MessageEvent).data.messageId,
        currentDeadline()?.budgetMs,
      ]);
    });
    await runInContext({ userId: 'somebody' }, () => withDeadline(50, () => bus.publish(aMessageCreated())));
    await eventually(() => expect(seen).toEqual([[undefined, true, 5_000]]));
  });

  it('a draining consumer starts no run that would not end in time', async () => {
    let runs = 0;
    const { bus, consumer } = consuming(
      async () => {
        runs += 1;
        await new Promise((resolve) => setTimeout(resolve, 400));
      },
      { row: { batch: { size: 1, waitMs: 0 }, concurrency: 1 } },
    );
    await Promise.all(Array.from({ length: 10 }, () => bus.publish(aMessageCreated())));
    await eventually(() => expect(runs).toBe(2));
    const drained = await consumer.stop(1_000);
    expect(runs).toBe(2);
    expect(drained).toEqual({ unfinishedCount: 0, sentRoundCount: 8 });
  });

  it('a batch whose handler throws no error object is settled all the same', async () => {
    const { bus, dead } = consuming(() => Promise.reject(undefined), { row: { attempts: 1 } });
    await bus.publish(aMessageCreated());
    await eventually(() => expect(dead()).toHaveLength(1));
  });
});
