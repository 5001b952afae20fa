import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import { dependencyProbe } from '#lib/resilience/call/dependency-probe';
import { Breakers } from '#lib/resilience/call/breakers';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Health } from '#lib/runtime/health/health';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { processName } from '#lib/runtime/process/process-name';
import { MemoryFanOut } from './fan-out/adapters/memory-fan-out.js';
import { FanOutPort } from './fan-out/fan-out.port.js';
import { SubscriptionPort } from './fan-out/subscription.port.js';
import { MemoryPresence } from './presence/adapters/memory-presence.js';
import { PresencePort } from './presence/presence.port.js';

/** What a process does with signals and presence. */
export interface LiveUses {
  /** It sends signals: FanOutPort. */
  readonly publishes?: true;
  /** It has sockets to bring them to: SubscriptionPort. */
  readonly follows?: true;
  /** It has sessions, or asks who has: PresencePort. */
  readonly presence?: true;
}

/** Signals and presence that the apps of one process share; who makes them stops them. */
export interface SharedLive {
  readonly fanOut: MemoryFanOut;
  readonly presence: MemoryPresence;
}

type OwnProvider = Exclude<Provider, Type>;
type Redis = ReturnType<typeof import('#lib/resilience/adapters/redis-connection')['connectRedis']>;
/** The connection for commands; undefined without REDIS_URL. */
const REDIS = Symbol('LiveRedis');

/** Fan-out of signals, and presence: on Redis, without REDIS_URL inside this process. */
@Module({})
export class LiveModule {
  /** Adds the probe `redis`. @param app names the connections to Redis. @param shared those of a process with several apps, in place of Redis. */
  static for(app: string, uses: LiveUses, shared?: SharedLive): DynamicModule {
    const { publishes, follows, presence } = uses;
    if (shared !== undefined) return of(sharedProviders(uses, shared));
    return of([
      { provide: MemoryFanOut, useFactory: () => new MemoryFanOut() },
      { provide: REDIS, inject: [CONFIG, LOGGER, Lifecycle, Health, Breakers], useFactory: redisOf(app) },
      ...(publishes ? [fanOut] : []),
      ...(follows ? [subscription(app)] : []),
      ...(presence ? [presenceOf] : []),
    ]);
  }

  /** All of them inside this process; the subscription is live. */
  static inMemory(): DynamicModule {
    return of([
      { provide: MemoryFanOut, useFactory: () => new MemoryFanOut() },
      { provide: FanOutPort, useExisting: MemoryFanOut },
      { provide: SubscriptionPort, inject: [MemoryFanOut], useFactory: (memory: MemoryFanOut) => memory.subscribe() },
      { provide: PresencePort, inject: [Lifecycle], useFactory: memoryPresence },
    ]);
  }
}

const of = (providers: OwnProvider[]): DynamicModule => ({
  module: LiveModule,
  global: true,
  providers,
  exports: providers.map(({ provide }) => provide),
});

const sharedProviders = ({ publishes, follows, presence }: LiveUses, shared: SharedLive): OwnProvider[] => [
  ...(publishes ? [{ provide: FanOutPort, useValue: shared.fanOut }] : []),
  // All signals there are come from this process: it is live.
  ...(follows ? [{ provide: SubscriptionPort, useFactory: () => shared.fanOut.subscribe() }] : []),
  ...(presence ? [{ provide: PresencePort, useValue: shared.presence }] : []),
];

// Adapters on Redis are loaded where they are used, so that a process without it does not hold ioredis in memory.
const redisOf =
  (app: string) =>
  async (
    { REDIS_URL: url }: Config,
    logger: Logger,
    lifecycle: Lifecycle,
    health: Health,
    breakers: Breakers,
  ): Promise<Redis | undefined> => {
    if (url === undefined) {
      logger.info('no REDIS_URL: signals and presence stay inside this process; sockets get the messages of others from Postgres');
      return undefined;
    }
    const { connectRedis } = await import('#lib/resilience/adapters/redis-connection');
    const redis = connectRedis(url, processName(app), (error) => logger.debug({ error: error.message }, 'redis connection failed'));
    lifecycle.add({ name: 'redis of the live lib', phase: 'stores', stop: () => redis.disconnect() });
    health.add(dependencyProbe('redis', breakers, async () => void (await redis.ping())));
    return redis;
  };

const fanOut: OwnProvider = {
  provide: FanOutPort,
  inject: [REDIS, MemoryFanOut, Breakers],
  useFactory: async (redis: Redis | undefined, memory: MemoryFanOut, breakers: Breakers): Promise<FanOutPort> =>
    redis === undefined ? memory : new (await import('./fan-out/adapters/redis-fan-out.js')).RedisFanOut(redis, breakers),
};

const subscription = (app: string): OwnProvider => ({
  provide: SubscriptionPort,
  inject: [CONFIG, MemoryFanOut, LOGGER, Lifecycle],
  useFactory: async ({ REDIS_URL: url }: Config, memory: MemoryFanOut, logger: Logger, lifecycle: Lifecycle): Promise<SubscriptionPort> => {
    if (url === undefined) return memory.subscribe({ isComplete: false });
    const { connectRedis } = await import('#lib/resilience/adapters/redis-connection');
    const { RedisSubscription, SUBSCRIBER } = await import('./fan-out/adapters/redis-subscription.js');
    const onError = (error: Error) => logger.debug({ error: error.message }, 'redis connection failed');
    const redis = new RedisSubscription(connectRedis(url, processName(`${app}-subscriber`), onError, SUBSCRIBER), logger);
    lifecycle.add({ name: 'live subscription', phase: 'stores', stop: () => redis.stop() });
    return redis;
  },
});

const memoryPresence = (lifecycle: Lifecycle): PresencePort => {
  const presence = new MemoryPresence();
  lifecycle.add({ name: 'presence', phase: 'background', stop: () => presence.stop() });
  return presence;
};

const presenceOf: OwnProvider = {
  provide: PresencePort,
  inject: [REDIS, Breakers, Lifecycle],
  useFactory: async (redis: Redis | undefined, breakers: Breakers, lifecycle: Lifecycle): Promise<PresencePort> => {
    if (redis === undefined) return memoryPresence(lifecycle);
    const presence = new (await import('./presence/adapters/redis-presence.js')).RedisPresence(redis, breakers);
    lifecycle.add({ name: 'presence', phase: 'background', stop: () => presence.stop() });
    return presence;
  },
};
