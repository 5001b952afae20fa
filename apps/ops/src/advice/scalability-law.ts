import type { LoadPoint } from './snapshot.js';

/** The Universal Scalability Law: X(N) = λN / (1 + σ(N - 1) + κN(N - 1)). */
export interface ScalabilityLaw {
  /** Throughput of one worker alone. */
  readonly single: number;
  /** Share of the work that only one can do at a time. */
  readonly contention: number;
  /** What each worker costs every other. */
  readonly coherence: number;
}

const FEWEST_POINTS = 3;

/**
 * Fits the law to measured points by least squares: N / X(N) is linear in 1, N - 1 and N(N - 1).
 * @returns undefined for fewer than three different worker counts, and when no such law can be.
 */
export function fitScalability(points: readonly LoadPoint[]): ScalabilityLaw | undefined {
  const usable = points.filter(({ workers, perSecond }) => workers >= 1 && perSecond > 0);
  if (new Set(usable.map(({ workers }) => workers)).size < FEWEST_POINTS) return undefined;
  const rows = usable.map(({ workers: n, perSecond }) => ({ x: [1, n - 1, n * (n - 1)] as const, y: n / perSecond }));
  const matrix = [0, 1, 2].map((i) => [0, 1, 2].map((j) => rows.reduce((sum, { x }) => sum + (x[i] ?? 0) * (x[j] ?? 0), 0)));
  const right = [0, 1, 2].map((i) => rows.reduce((sum, { x, y }) => sum + (x[i] ?? 0) * y, 0));
  const whole = determinant(matrix);
  const [a, b, c] = [0, 1, 2].map((column) => determinant(matrix.map((row, i) => row.with(column, right[i] ?? 0))) / whole);
  if (a === undefined || b === undefined || c === undefined || !(a > 0) || !Number.isFinite(a + b + c)) return undefined;
  return { single: 1 / a, contention: Math.max(0, b / a), coherence: Math.max(0, c / a) };
}

/** Throughput with so many workers. */
export const throughputOf = ({ single, contention, coherence }: ScalabilityLaw, n: number): number =>
  (single * n) / (1 + contention * (n - 1) + coherence * n * (n - 1));

/** The number of workers beyond which throughput falls; infinite without coherence. */
export const peakOf = ({ contention, coherence }: ScalabilityLaw): number => Math.sqrt(Math.max(0, 1 - contention) / coherence);

const determinant = (m: readonly (readonly number[])[]): number => {
  const [[a = 0, b = 0, c = 0] = [], [d = 0, e = 0, f = 0] = [], [g = 0, h = 0, i = 0] = []] = m;
  return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
};
