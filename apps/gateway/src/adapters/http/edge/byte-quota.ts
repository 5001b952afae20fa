import { LRUCache } from 'lru-cache';

/** About 10 MB. A caller that is pushed out was not seen for long; it starts again with a full bucket. */
const MAX_CALLERS = 100_000;
/** A caller that was away may use this many seconds' worth at once. */
const BURST_SECONDS = 10;

/**
 * A bucket of bytes per caller: of answers, or of large bodies. How large an answer is shows when it is made, and a body when it is there, so they
 * are paid for afterwards: a caller may go below zero once, and is refused until it is out of it. Counted in this process alone: it protects this
 * process' threads and network, and a question to Redis per answer would cost more than it protects.
 */
export class ByteQuota {
  /** The instant at which the bucket of a caller is full again, in milliseconds of `performance.now()`. */
  private readonly fullAt = new LRUCache<string, number>({ maxSize: MAX_CALLERS, sizeCalculation: () => 1 });

  /** @param bytesPerSecond 0 = no limit. */
  constructor(private readonly bytesPerSecond: number) {}

  /** Seconds until `caller` may ask again; 0 = now. */
  retryAfterSeconds(caller: string): number {
    const debtMs = (this.fullAt.get(caller) ?? 0) - performance.now() - BURST_SECONDS * 1_000;
    return debtMs > 0 ? Math.ceil(debtMs / 1_000) : 0;
  }

  /** Charges `caller` for an answer or a body. */
  charge(caller: string, bytes: number): void {
    if (this.bytesPerSecond === 0 || bytes === 0) return;
    const now = performance.now();
    this.fullAt.set(caller, Math.max(this.fullAt.get(caller) ?? now, now) + (bytes / this.bytesPerSecond) * 1_000);
  }
}
