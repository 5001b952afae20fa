import type { DeadLetterOrder, DeadLetterOutcome } from '#lib/contracts/admin';
import { Pacer } from './pacer.js';

/** Executes one slice of an order, at the pace of the whole. */
type Slice = (order: DeadLetterOrder, pacer: Pacer) => Promise<DeadLetterOutcome>;

/** Ids of one kind in an outcome, as in that of a single slice. */
const MAX_SHOWN = 100;

/**
 * Executes an order in slices until nothing is left or something other than the time stops it; its rate is that of all slices together, also when
 * a turn is further away than a slice is long. @param onSlice called with what is known so far when there is more to do.
 */
export async function inSlices(
  order: DeadLetterOrder,
  execute: Slice,
  onSlice: (sofar: DeadLetterOutcome) => void,
): Promise<DeadLetterOutcome> {
  const pacer = new Pacer(order.ratePerSecond);
  let whole = await execute(order, pacer);
  // A dry run changes nothing: its next slice would see the same letters.
  while (!order.dryRun && whole.stoppedBy === 'time' && whole.next !== null) {
    onSlice(whole);
    await pacer.untilNext(); // no letter is in hand meanwhile
    whole = joined(whole, await execute({ ...order, ...whole.next }, pacer), order);
  }
  return whole;
}

/** Where the next slice stands, and what both did. */
function joined(before: DeadLetterOutcome, next: DeadLetterOutcome, { ids }: DeadLetterOrder): DeadLetterOutcome {
  const refused = new Map([...before.refused, ...next.refused].map((refusal) => [refusal.id, refusal]));
  return {
    ...next,
    done: before.done + next.done,
    refused: [...refused.values()].slice(0, MAX_SHOWN),
    // An order for all begins at the oldest letter again, which is one that was refused.
    refusedCount: ids === undefined ? Math.max(before.refusedCount, next.refusedCount) : before.refusedCount + next.refusedCount,
    diedAgain: diedAgain(before.diedAgain, next.diedAgain),
  };
}

const diedAgain = (before: string[] | null, next: string[] | null): string[] | null =>
  before === null ? next : [...new Set([...before, ...(next ?? [])])].slice(0, MAX_SHOWN);
