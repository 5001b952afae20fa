import type { Redis } from 'ioredis';
import type { Breakers } from '../call/breakers.js';
import { DependencyCall } from '../call/dependency-call.js';
import { OncePort } from '../once/once.port.js';
import { MemoryOnce } from './memory-once.js';

const TIMEOUT_MS = 500;

/** One of all processes, by `SET NX PX` in Redis. While Redis is out this process decides by itself, knowing what it took before. */
export class RedisOnce extends OncePort {
  private readonly call: DependencyCall;
  private readonly local = new MemoryOnce();

  constructor(
    private readonly redis: Redis,
    breakers: Breakers,
  ) {
    super();
    this.call = new DependencyCall({ dependency: 'redis', operation: 'once', timeoutMs: TIMEOUT_MS }, breakers);
  }

  async take(key: string, ttlMs: number): Promise<boolean> {
    // Always, so that an outage of Redis in between repeats nothing.
    const isFirstHere = await this.local.take(key, ttlMs);
    const answer = await this.call.runOr(
      async () => ((await this.redis.set(`parley:once:${key}`, '1', 'PX', ttlMs, 'NX')) === 'OK' ? 'first' : 'taken'),
      () => 'unknown' as const,
    );
    return answer === 'unknown' ? isFirstHere : answer === 'first' && isFirstHere;
  }
}
