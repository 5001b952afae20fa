import type { Redis } from 'ioredis';
import type { Breakers } from '../call/breakers.js';
import { DependencyCall } from '../call/dependency-call.js';
import { OncePort } from '../once/once.port.js';
import { MemoryOnce } from './memory-once.js';

const TIMEOUT_MS = 500;

/** What Redis says of a key: whether it was free, and for how long it is taken now, in milliseconds. */
interface Answer {
  readonly isFirst: boolean;
  readonly leftMs: number;
}

/** One of all processes, by `SET NX PX` in Redis. While Redis is out this process decides by itself, knowing what it took or saw taken. */
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
    // Redis is asked for what may be free only: a key that it gives is this process's to use, and no other gets it for as long.
    if (this.local.isTaken(key)) return false;
    const answer = await this.call.runOr<Answer | undefined>(
      () => this.ask(`parley:once:${key}`, ttlMs),
      () => undefined,
    );
    if (answer === undefined) return this.local.take(key, ttlMs);
    this.local.hold(key, answer.leftMs);
    return answer.isFirst;
  }

  private async ask(key: string, ttlMs: number): Promise<Answer> {
    const results = (await this.redis.multi().set(key, '1', 'PX', ttlMs, 'NX').pttl(key).exec()) ?? [];
    const [set, left] = results.map(([error, value]) => {
      if (error !== null) throw error;
      return value;
    });
    return { isFirst: set === 'OK', leftMs: Number(left) };
  }
}
