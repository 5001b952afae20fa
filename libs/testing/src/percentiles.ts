/**
 * The smallest sample that at least this share of all samples do not exceed (nearest rank), so one that was really seen; undefined of nothing.
 * @param share from 0 to 1: 0.5 is the median, 1 the highest.
 */
export function percentile(samples: readonly number[], share: number): number | undefined {
  const sorted = samples.toSorted((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

/** Milliseconds that half, 95 %, 99 % and all of the samples do not exceed. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** In whole milliseconds; of nothing all are 0. */
export const percentilesOf = (samples: readonly number[]): Percentiles => {
  const at = (share: number) => Math.round(percentile(samples, share) ?? 0);
  return { count: samples.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
};
