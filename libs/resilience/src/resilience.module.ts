import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Health } from '#lib/runtime/health/health';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { processName } from '#lib/runtime/process/process-name';
import { MemoryRateLimiter } from './adapters/memory-rate-limiter.js';
import { createBreakers } from './adapters/opossum-breaker.js';
import { RedisBuckets } from './adapters/redis-buckets.js';
import { RedisRateLimiter } from './adapters/redis-rate-limiter.js';
import { Breakers } from './call/breakers.js';
import { dependencyProbe } from './call/dependency-probe.js';
import { shareBreakers } from './call/share-breakers.js';
import { LeasedRateLimiter } from './limit/leased-rate-limiter.js';
import { globalLimit, LIMITERS, type Limiters, userLimit } from './limit/limiters.js';

type Redis = ReturnType<typeof import('./adapters/redis-connection.js')['connectRedis']>;
/** The connection to Redis; undefined without REDIS_URL. */
const REDIS = Symbol('Redis');

/** What the apps of one process share: what one of them has learnt or counted, all have. */
export interface SharedResilience {
  readonly breakers: Breakers;
  readonly limiters: Limiters;
}

/**
 * Circuit breakers, and rate limiters for a process that serves users. Exports Breakers, and LIMITERS where they are asked for: on Redis with
 * REDIS_URL, else counted in this process. Adds the probe `redis`.
 */
@Module({})
export class ResilienceModule {
  /** @param app names the connection to Redis. @param shared those of a process with several apps, which has no Redis. */
  static for(app: string, { limiters = false }: { readonly limiters?: boolean } = {}, shared?: SharedResilience): DynamicModule {
    if (shared !== undefined) return of(limiters ? [redisTwin, { provide: LIMITERS, useValue: shared.limiters }] : [], shared.breakers);
    return of(
      limiters ? [{ provide: REDIS, inject: [CONFIG, LOGGER, Lifecycle, Health, Breakers], useFactory: redisOf(app) }, sharedLimiters] : [],
    );
  }

  static inMemory(): DynamicModule {
    return of([{ provide: LIMITERS, inject: [CONFIG], useFactory: limitersInMemory }]);
  }
}

const breakers: Provider = { provide: Breakers, inject: [LOGGER], useFactory: (logger: Logger) => shareBreakers(createBreakers(), logger) };

const of = (limiters: readonly Provider[], shared?: Breakers): DynamicModule => ({
  module: ResilienceModule,
  global: true,
  providers: [shared === undefined ? breakers : { provide: Breakers, useValue: shared }, ...limiters],
  exports: limiters.length === 0 ? [Breakers] : [Breakers, LIMITERS],
});

const redisOf =
  (app: string) =>
  async ({ REDIS_URL: url }: Config, logger: Logger, lifecycle: Lifecycle, health: Health, all: Breakers): Promise<Redis | undefined> => {
    if (url === undefined) {
      logger.info('no REDIS_URL: running as a single node, limits are counted in this process');
      return undefined;
    }
    // Loaded here, so that a process without Redis does not hold ioredis in memory.
    const { connectRedis } = await import('./adapters/redis-connection.js');
    const redis = connectRedis(url, processName(app), (error) => logger.debug({ error: error.message }, 'redis connection failed'));
    lifecycle.add({ name: 'redis', phase: 'stores', stop: () => redis.disconnect() });
    health.add(dependencyProbe('redis', all, async () => void (await redis.ping())));
    return redis;
  };

/** What Redis does elsewhere is done by this process itself: there when it is. */
const redisTwin: Provider = {
  provide: REDIS,
  inject: [Health, Breakers],
  useFactory: (health: Health, all: Breakers) => health.add(dependencyProbe('redis', all, async () => undefined)),
};

/** Limiters that count in this process. */
export const limitersInMemory = ({ RATE_LIMIT_PER_USER, RATE_LIMIT_GLOBAL }: Config): Limiters => ({
  perUser: new MemoryRateLimiter(userLimit(RATE_LIMIT_PER_USER)),
  global: new MemoryRateLimiter(globalLimit(RATE_LIMIT_GLOBAL)),
});

const sharedLimiters: Provider = {
  provide: LIMITERS,
  inject: [CONFIG, Breakers, REDIS],
  useFactory: (config: Config, all: Breakers, redis: Redis | undefined): Limiters => {
    if (redis === undefined) return limitersInMemory(config);
    const buckets = new RedisBuckets(redis, all);
    const { WEB_CONCURRENCY: workers } = config;
    const [perUser, global] = [userLimit(config.RATE_LIMIT_PER_USER), globalLimit(config.RATE_LIMIT_GLOBAL)];
    return {
      perUser: new RedisRateLimiter(buckets, 'user', perUser, workers),
      global: new LeasedRateLimiter(new RedisRateLimiter(buckets, 'global', global, workers), global),
    };
  },
};
