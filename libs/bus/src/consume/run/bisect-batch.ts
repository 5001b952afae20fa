import { Postpone } from '../../outcome.js';

/** How one item of a batch ended. `outage`: nothing is wrong with the item, what it needs is out. */
export type Verdict<T> = { readonly item: T } & (
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'outage'; readonly error: unknown }
);

/** What {@link bisectBatch} must know beside the items. */
export interface BatchRules<T> {
  /** Whether an error is about something that all items need rather than about one of `part`. Then halving would only call it more often. */
  readonly isOutage: (error: unknown, part: readonly T[]) => boolean;
  /** Runs are begun for this long; what is left by then comes back later. Unsettled deliveries must not grow old: the broker closes their channel. */
  readonly budgetMs: number;
}

/**
 * Runs a handler over a batch so that one bad item fails alone: when a run throws, its items are halved and each half runs again, until
 * the culprit stands alone with its error. Its neighbours are done, and for them nothing counts as a failed try.
 * Costs 2 log2(n) more runs for one culprit among n. Runs one after another: the batch is one unit of the consumer's concurrency.
 */
export const bisectBatch = async <T>(
  items: readonly T[],
  run: (items: readonly T[]) => Promise<unknown>,
  { isOutage, budgetMs }: BatchRules<T>,
): Promise<Verdict<T>[]> => {
  const endsAt = performance.now() + budgetMs;
  const verdicts: Verdict<T>[] = [];
  const parts: (readonly T[])[] = [items];
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    if (performance.now() > endsAt) {
      const error = new Postpone(0, 'its batch took too long');
      verdicts.push(...part.map((item) => ({ item, kind: 'failed' as const, error })));
      continue;
    }
    try {
      await run(part);
      verdicts.push(...part.map((item) => ({ item, kind: 'passed' as const })));
    } catch (error) {
      if (isOutage(error, part)) {
        const rest = [part, ...parts].flat();
        return [...verdicts, ...rest.map((item) => ({ item, kind: 'outage' as const, error }))];
      }
      if (part.length === 1) verdicts.push(...part.map((item) => ({ item, kind: 'failed' as const, error })));
      else parts.push(...halves(part));
    }
  }
  return verdicts;
};

/** The first half last: it is taken from the end, so that items run in the order they came. */
const halves = <T>(part: readonly T[]): (readonly T[])[] => {
  const middle = Math.ceil(part.length / 2);
  return [part.slice(middle), part.slice(0, middle)];
};
