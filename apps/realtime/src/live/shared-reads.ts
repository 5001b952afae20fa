import { batchPerTick } from '#lib/resilience/load/batch-per-tick';
import { Semaphore } from '#lib/resilience/limit/semaphore';

/** How reads are shared. */
export interface SharedReadsOptions<Key, Value> {
  /** Label of the metrics of its semaphore. */
  readonly name: string;
  /** One statement for many keys; what it does not find is missing in its answer. */
  readonly readAll: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>;
  /** Keys of one statement. */
  readonly size: number;
  /** Statements at once; what comes meanwhile shares the next ones. */
  readonly concurrent: number;
}

interface Waiting<Value> {
  readonly resolve: (value: Value | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads for callers that come at about the same time in shared statements. A read that is under way is not joined: it may have missed what its
 * caller knows of.
 */
export class SharedReads<Key, Value> {
  private waiting = new Map<Key, Waiting<Value>[]>();
  private readonly semaphore: Semaphore;
  private readonly soon = batchPerTick<void>(() => this.serve());

  constructor(private readonly options: SharedReadsOptions<Key, Value>) {
    this.semaphore = new Semaphore(options.name, { concurrent: options.concurrent, queued: 0 });
  }

  /** What the statement found for this key. @throws what the statement throws. */
  read(key: Key): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      const others = this.waiting.get(key);
      if (others === undefined) this.waiting.set(key, [{ resolve, reject }]);
      else others.push({ resolve, reject });
      this.soon();
    });
  }

  private serve(): void {
    while (this.waiting.size > 0 && this.semaphore.tryAcquire()) void this.serveSome(this.take());
  }

  private take(): Map<Key, Waiting<Value>[]> {
    const taken = new Map<Key, Waiting<Value>[]>();
    for (const [key, callers] of this.waiting) {
      if (taken.size >= this.options.size) break;
      taken.set(key, callers);
      this.waiting.delete(key);
    }
    return taken;
  }

  private async serveSome(some: ReadonlyMap<Key, readonly Waiting<Value>[]>): Promise<void> {
    try {
      const found = await this.options.readAll([...some.keys()]);
      for (const [key, callers] of some) for (const { resolve } of callers) resolve(found.get(key));
    } catch (error) {
      for (const callers of some.values()) for (const { reject } of callers) reject(error);
    } finally {
      this.semaphore.release();
      this.serve();
    }
  }
}
