import { percentile } from '#lib/testing/percentiles';
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

export function spread(values: readonly number[]): Spread {
  const at = (share: number): number | null => percentile(values, share) ?? null;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
