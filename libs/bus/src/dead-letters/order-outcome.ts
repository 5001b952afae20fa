import { type DeadLetter, type DeadLetterOrder, type DeadLetterOutcome, MAX_DEAD_LETTERS } from '#lib/contracts/admin';

const MAX_REFUSALS_SHOWN = 100;

/** Where an order stopped. */
export interface StoppedAt {
  /** Letters that the order ran over. */
  readonly count: number;
  /** Letters that it looked at. */
  readonly seen: number;
  /** Ids of the order that it has not met. */
  readonly ids: string[];
}

/** Counts the letters of one order by their outcome. */
export class OrderTally {
  private doneCount = 0;
  private refusedCount = 0;
  private readonly refusals: DeadLetterOutcome['refused'] = [];
  private readonly items: DeadLetter[] = [];

  constructor(private readonly order: DeadLetterOrder) {}

  done(): void {
    this.doneCount += 1;
  }

  /** Counts a letter of a dry run. */
  wouldBeDone(letter: DeadLetter): void {
    this.doneCount += 1;
    if (this.items.length < MAX_DEAD_LETTERS) this.items.push(letter);
  }

  refused({ id }: DeadLetter, reason: string): void {
    this.refusedCount += 1;
    if (this.refusals.length < MAX_REFUSALS_SHOWN) this.refusals.push({ id, reason });
  }

  /** The outcome of an order that saw every letter. */
  finished(notFound: string[]): DeadLetterOutcome {
    return { ...this.outcome(), notFound, remaining: 0, stoppedBy: null, next: null };
  }

  /** The outcome of an order that stopped early; `next` in it continues it. */
  stopped(stoppedBy: string, { count, seen, ids }: StoppedAt): DeadLetterOutcome {
    const first = this.order.dryRun ? count : count - this.doneCount;
    const next = { first, ...(this.order.ids === undefined ? {} : { ids }) };
    return { ...this.outcome(), notFound: [], remaining: count - seen, stoppedBy, next };
  }

  private outcome() {
    const { queue, dryRun } = this.order;
    return {
      queue,
      dryRun,
      done: this.doneCount,
      refused: this.refusals,
      refusedCount: this.refusedCount,
      items: this.items,
      diedAgain: null,
    };
  }
}
