import type { PlayedMessage } from './play.js';

/** Median, 95th percentile and worst of some milliseconds; null when there were none. */
export interface Spread {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly max: number | null;
}

/** What the demo measured. */
export interface Summary {
  readonly messages: { readonly accepted: number; readonly searchable: number; readonly failed: number; readonly pending: number };
  readonly ackMs: Spread;
  readonly searchableMs: Spread;
  readonly searchMs: Spread;
}

export const summarise = (played: readonly PlayedMessage[], searchMs: readonly number[]): Summary => ({
  messages: {
    accepted: played.length,
    searchable: played.filter(({ embedding }) => embedding === 'done').length,
    failed: played.filter(({ embedding }) => embedding === 'failed').length,
    pending: played.filter(({ embedding }) => embedding === 'pending').length,
  },
  ackMs: spread(played.map(({ ackMs }) => ackMs)),
  searchableMs: spread(played.map(({ searchableMs }) => searchableMs).filter((value) => value !== null)),
  searchMs: spread(searchMs),
});

/** Nearest-rank percentiles: with few values they are values that were really seen. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number | null => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
  return { p50: at(0.5), p95: at(0.95), max: sorted.at(-1) ?? null };
}
