import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { MemoryFanOut } from './fan-out/adapters/memory-fan-out.js';
import { FanOutPort } from './fan-out/fan-out.port.js';
import { SubscriptionPort } from './fan-out/subscription.port.js';
import { MemoryPresence } from './presence/adapters/memory-presence.js';
import { PresencePort } from './presence/presence.port.js';

/** What a process does with signals. */
export interface LiveUses {
  /** It sends some: FanOutPort. */
  readonly publishes?: true;
  /** It has sockets to bring them to: SubscriptionPort. */
  readonly follows?: true;
  /** It has sessions, or asks who has: PresencePort. */
  readonly presence?: true;
}

type OwnProvider = Exclude<Provider, Type>;

/** Fan-out of signals, and presence: on Redis, without REDIS_URL inside this process. */
@Module({})
export class LiveModule {
  /** @param app names the connections to Redis. */
  static for(_app: string, uses: LiveUses): DynamicModule {
    return of([
      { provide: MemoryFanOut, inject: [CONFIG, LOGGER], useFactory: memoryFanOut },
      ...(uses.publishes ? [{ provide: FanOutPort, useExisting: MemoryFanOut }] : []),
      ...(uses.follows
        ? [
            {
              provide: SubscriptionPort,
              inject: [MemoryFanOut],
              useFactory: (fanOut: MemoryFanOut) => fanOut.subscribe({ isComplete: false }),
            },
          ]
        : []),
      ...(uses.presence ? [{ provide: PresencePort, inject: [Lifecycle], useFactory: memoryPresence }] : []),
    ]);
  }

  /** All of them in this process; the subscription is live. */
  static inMemory(): DynamicModule {
    return of([
      { provide: MemoryFanOut, useFactory: () => new MemoryFanOut() },
      { provide: FanOutPort, useExisting: MemoryFanOut },
      { provide: SubscriptionPort, inject: [MemoryFanOut], useFactory: (fanOut: MemoryFanOut) => fanOut.subscribe() },
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

const memoryFanOut = ({ REDIS_URL: url }: Config, logger: Logger): MemoryFanOut => {
  if (url === undefined)
    logger.info('no REDIS_URL: signals stay inside this process; sockets get messages of others from Postgres, within 2 s');
  return new MemoryFanOut();
};

const memoryPresence = (lifecycle: Lifecycle): PresencePort => {
  const presence = new MemoryPresence();
  lifecycle.add({ name: 'presence', phase: 'background', stop: () => presence.stop() });
  return presence;
};
