import { Postpone, SomeFailed } from '../../outcome.js';

/** The outcome of one item of a batch. `outage`: a dependency is out, the item is fine. */
export type Verdict<T> = { readonly item: T } & (
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'outage'; readonly error: unknown }
);

/** How {@link bisectBatch} judges errors and time. */
export interface BatchRules<T> {
  /** Whether an error concerns a dependency of all items rather than one of `part`: halving would only call it more often. */
  readonly isOutage: (error: unknown, part: readonly T[]) => boolean;
  /** The key of an item in the errors of SomeFailed. */
  readonly idOf: (item: T) => string;
  /** No run begins after this long; the rest is postponed. The broker closes the channel of deliveries unsettled for too long. */
  readonly budgetMs: number;
}

/**
 * Runs a handler over a batch and bisects it on failure: each half runs again until the bad item fails alone with its error. The others are
 * done, without a failed attempt. One bad item among n costs 2 log2(n) more runs, one after another: the batch is one unit of concurrency.
 */
export const bisectBatch = async <T>(
  items: readonly T[],
  run: (items: readonly T[]) => Promise<unknown>,
  { isOutage, idOf, budgetMs }: BatchRules<T>,
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
      if (error instanceof SomeFailed) {
        verdicts.push(...part.map((item) => verdictOf(item, idOf(item), error)));
        continue;
      }
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

const verdictOf = <T>(item: T, id: string, { errors }: SomeFailed): Verdict<T> =>
  errors.has(id) ? { item, kind: 'failed', error: errors.get(id) } : { item, kind: 'passed' };

/** The second half first: parts are popped from the end, so that items run in their order. */
const halves = <T>(part: readonly T[]): (readonly T[])[] => {
  const middle = Math.ceil(part.length / 2);
  return [part.slice(middle), part.slice(0, middle)];
};
