import { DependencyCall } from '#lib/resilience/call/dependency-call';
import type { Breakers } from '#lib/resilience/call/breakers';
import { MAX_KEYS, type ObjectAbout, objectKey, ObjectStorePort } from '../object-store.port.js';
import type { ObjectBackend } from './object-backend.js';

/** 10 MB at 1 MB/s, and half as much again (docs/concepts/resilience.md, "Numbers"). */
const TIMEOUT_MS = 15_000;
/** A call in flight holds an object of up to 10 MB: so many at once. */
const bulkhead = { concurrent: 8, queued: 100 } as const;

/** An object store behind a breaker: every call has its limit, its own signal, and one retry. */
export class CalledObjectStore extends ObjectStorePort {
  override readonly isConfigured = true;
  private readonly writes: DependencyCall;
  private readonly reads: DependencyCall;

  constructor(
    private readonly backend: ObjectBackend,
    breakers: Breakers,
    timeoutMs = TIMEOUT_MS,
  ) {
    super();
    const call = (operation: string) =>
      new DependencyCall(
        {
          dependency: 'objectStore',
          operation,
          timeoutMs,
          attempts: 2, // all of it may be repeated
          backoff: { baseMs: 200, capMs: 1_000 },
          bulkhead,
          isItsFault: (error) => !(error instanceof RangeError),
        },
        breakers,
      );
    this.writes = call('write');
    this.reads = call('read');
  }

  override async put(key: string, bytes: Uint8Array, about: ObjectAbout): Promise<void> {
    objectKey(key);
    await this.writes.run((signal) => this.backend.put(key, bytes, about, signal));
  }

  override async get(key: string, maxBytes: number): Promise<Buffer | undefined> {
    objectKey(key);
    return this.reads.run((signal) => this.backend.get(key, maxBytes, signal));
  }

  override async remove(keys: readonly string[]): Promise<number> {
    if (keys.length > MAX_KEYS) throw new RangeError(`at most ${MAX_KEYS} objects are removed at once`);
    for (const key of keys) objectKey(key);
    return keys.length === 0 ? 0 : this.writes.run((signal) => this.backend.remove(keys, signal));
  }

  override async keys(prefix: string, limit: number, after?: string): Promise<string[]> {
    return this.reads.run((signal) => this.backend.keys(prefix, Math.min(limit, MAX_KEYS), after, signal));
  }

  override close(): void {
    this.backend.close?.();
  }
}
