import type { Sample } from './parse-metrics.js';

/** What one process said. */
export interface ProcessScrape {
  /** Its address, without credentials. */
  readonly target: string;
  /** As in its `build_info`; `unknown` for a process without one. */
  readonly service: string;
  readonly samples: readonly Sample[];
}

/** A process that gave no metrics, and why: a code such as `ECONNREFUSED`, `TimeoutError` or `HTTP_503`. */
export interface FailedScrape {
  readonly target: string;
  readonly code: string;
  /** It is one of the addresses behind a name: such as a pod, which has its address before it runs. */
  readonly isAddress?: true;
}

/** One round over all targets. */
export interface ScrapeRound {
  /** When it began, in milliseconds since 1970. */
  readonly at: number;
  readonly processes: readonly ProcessScrape[];
  readonly failed: readonly FailedScrape[];
}

/** The metrics of all processes at one moment. */
export abstract class ScrapePort {
  /** Asks every target once. A target that fails is data, not an error. @throws only the reason of `signal`. */
  abstract round(signal: AbortSignal): Promise<ScrapeRound>;
}

/** The service that the process of the embedded mode says it is: all of them. */
export const ALL_IN_ONE = 'standalone';

/** The service that a process says it is. */
export const serviceOf = (samples: readonly Sample[]): string =>
  samples.find(({ name }) => name === 'build_info')?.labels['service'] ?? 'unknown';
