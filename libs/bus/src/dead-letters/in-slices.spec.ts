import { describe, expect, it } from 'vitest';
import { DeadLetterOrder, type DeadLetterOutcome } from '#lib/contracts/admin';
import { inSlices } from './in-slices.js';
import type { Pacer } from './pacer.js';

const orderOf = (facts: Partial<DeadLetterOrder>): DeadLetterOrder => DeadLetterOrder.parse({ queue: 'embedding.messages', ...facts });
const outcome = (facts: Partial<DeadLetterOutcome>): DeadLetterOutcome => ({
  queue: 'embedding.messages',
  dryRun: false,
  done: 0,
  refused: [],
  refusedCount: 0,
  diedAgain: null,
  notFound: [],
  items: [],
  remaining: 0,
  stoppedBy: null,
  next: null,
  ...facts,
});
const stopped = (facts: Partial<DeadLetterOutcome>) => outcome({ stoppedBy: 'time', next: { first: 5 }, ...facts });
const refusal = (id: string) => ({ id, reason: 'too often' });

/** Executes these slices one after another. */
const slices = async (order: DeadLetterOrder, ...outcomes: DeadLetterOutcome[]) => {
  const orders: DeadLetterOrder[] = [];
  const told: number[] = [];
  const whole = await inSlices(
    order,
    async (slice) => {
      orders.push(slice);
      return outcomes.shift() ?? expect.unreachable('one slice too many');
    },
    ({ done }) => told.push(done),
  );
  return { whole, orders, told };
};

describe('an order in slices', () => {
  it('goes on where the slice before stopped, and counts what all of them did', async () => {
    const order = orderOf({ all: true });
    const { whole, orders, told } = await slices(
      order,
      stopped({ done: 3, diedAgain: ['a', 'b'] }),
      stopped({ done: 2, diedAgain: ['b', 'c'], next: { first: 1 } }),
      outcome({ done: 1, diedAgain: [] }),
    );
    expect(whole).toEqual(outcome({ done: 6, diedAgain: ['a', 'b', 'c'] }));
    expect(orders).toEqual([order, { ...order, first: 5 }, { ...order, first: 1 }]);
    expect(told).toEqual([3, 5]);
  });

  it('counts a refused letter once: an order for all meets it in each slice, one for ids in one', async () => {
    const twice = [
      stopped({ refused: [refusal('a')], refusedCount: 1 }),
      outcome({ refused: [refusal('a'), refusal('b')], refusedCount: 2 }),
    ];
    expect((await slices(orderOf({ all: true }), ...twice)).whole).toMatchObject({
      refused: [refusal('a'), refusal('b')],
      refusedCount: 2,
    });
    const once = [stopped({ refused: [refusal('a')], refusedCount: 1 }), outcome({ refused: [refusal('b')], refusedCount: 1 })];
    expect((await slices(orderOf({ ids: ['a', 'b'] }), ...once)).whole).toMatchObject({
      refused: [refusal('a'), refusal('b')],
      refusedCount: 2,
    });
  });

  it('ends with what stopped it, and after one slice of a dry run', async () => {
    const failed = outcome({ done: 1, stoppedBy: 'RabbitMQ: nacked, full', next: { first: 4 } });
    expect((await slices(orderOf({ all: true }), failed)).whole).toEqual(failed);
    const dry = stopped({ dryRun: true, done: 7 });
    expect((await slices(orderOf({ all: true, dryRun: true }), dry)).whole).toEqual(dry);
  });

  it('keeps its rate over slices that are shorter than a turn', async () => {
    const at: number[] = [];
    let sliceCount = 0;
    const slice = async (_: DeadLetterOrder, pacer: Pacer) => {
      sliceCount += 1;
      const endsAt = performance.now() + 10;
      let done = 0;
      while (at.length < 3 && (await pacer.turn(endsAt))) {
        at.push(performance.now());
        done += 1;
      }
      return at.length === 3 ? outcome({ done }) : stopped({ done });
    };
    const { done } = await inSlices(orderOf({ all: true, ratePerSecond: 10 }), slice, () => undefined);
    const [first = 0, second = 0, third = 0] = at;
    expect([done, sliceCount]).toEqual([3, 3]);
    // Turns stand at a distance from the first: one that a busy machine makes late does not put off the next.
    expect([second - first > 90, third - first > 190]).toEqual([true, true]);
  });
});
