import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { emptyCaches } from '#lib/runtime/work/caches';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';

/** R105: what happens at which share of the memory that this process may have. */
const EMPTY_CACHES_FROM = 0.8;
const REFUSE_LARGE_FROM = 0.9;
const HYSTERESIS = 0.05;
const SAMPLE_MS = 1_000;
/** Emptied again at most this often: what comes back at once is needed. */
const EMPTY_EVERY_MS = 30_000;
/** A body above this is large. 65 times the longest message; documents and logs are. */
export const LARGE_BODY_BYTES = 65_536;

/** How much memory a process uses and may use, in bytes. */
export interface MemoryUse {
  /** Undefined = it cannot be read now. */
  readonly residentBytes: number | undefined;
  /** Undefined = no limit is known but that of the heap. */
  readonly limitBytes: number | undefined;
  readonly heapBytes: number;
  readonly heapLimitBytes: number;
}

/** The limit of this process: its share of `configuredBytes` (MEMORY_LIMIT_BYTES), or else of what its cgroup allows. */
export const memoryLimitBytes = (configuredBytes: number | undefined, workers: number): number | undefined => {
  const allowed = configuredBytes ?? process.constrainedMemory();
  // Without a limit the kernel says something that no machine has.
  return allowed > 0 && (configuredBytes !== undefined || allowed < totalmem()) ? allowed / workers : undefined;
};

/** What this process uses now; some microseconds. */
export const memoryUse = (limitBytes: number | undefined): MemoryUse => {
  const { used_heap_size: heapBytes, heap_size_limit: heapLimitBytes } = getHeapStatistics();
  return { residentBytes: residentBytes(), limitBytes, heapBytes, heapLimitBytes };
};

/** Node opens a file for it, which fails with EMFILE while the process has no descriptor left: no reason to end. */
const residentBytes = (): number | undefined => {
  try {
    return process.memoryUsage.rss();
  } catch {
    return undefined;
  }
};

/**
 * Keeps a process from being killed for its memory: at 80 % of what it may have it empties its caches, at 90 % it takes no large bodies until
 * it is below 85 % again.
 */
export class MemoryPressure {
  private timer: NodeJS.Timeout | undefined;
  private isFull = false;
  private emptiedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly read: () => MemoryUse,
    private readonly logger: Logger,
  ) {}

  /** Whether a body of that many bytes may be read now; undefined = its length is not known before it is there. Costs nothing. */
  allowsBody(bytes: number | undefined): boolean {
    return !this.isFull || (bytes !== undefined && bytes <= LARGE_BODY_BYTES);
  }

  start(): void {
    this.timer ??= setInterval(() => this.sample(), SAMPLE_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  sample(now = performance.now()): void {
    const ratio = ratioOf(this.read());
    metrics.pressureRatio.set({ source: 'memory' }, ratio);
    this.note(ratio);
    if (ratio < EMPTY_CACHES_FROM || now - this.emptiedAt < EMPTY_EVERY_MS) return;
    this.emptiedAt = now;
    this.logger.warn({ ratio: rounded(ratio), caches: emptyCaches() }, 'memory is short: caches emptied');
  }

  private note(ratio: number): void {
    const isFull = ratio >= REFUSE_LARGE_FROM - (this.isFull ? HYSTERESIS : 0);
    if (isFull === this.isFull) return;
    this.isFull = isFull;
    const fields = { ratio: rounded(ratio), largeBodyBytes: LARGE_BODY_BYTES };
    if (isFull) this.logger.error(fields, 'memory is nearly used up: large bodies are refused');
    else this.logger.info(fields, 'there is memory again: large bodies are taken');
  }
}

const ratioOf = ({ residentBytes, limitBytes, heapBytes, heapLimitBytes }: MemoryUse): number =>
  Math.max(heapBytes / heapLimitBytes, limitBytes === undefined || residentBytes === undefined ? 0 : residentBytes / limitBytes);

const rounded = (ratio: number): number => Math.round(ratio * 100) / 100;
