import { Module } from '@nestjs/common';
import { PostgresLanes } from '#lib/database/adapters/lanes/postgres-lanes';
import { Breakers } from '#lib/resilience/call/breakers';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { ServiceAccount } from '#lib/runtime/config/service-account';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { PushesConsumer } from '../adapters/amqp/pushes.consumer.js';
import { FcmPush } from '../adapters/push/fcm-push.js';
import { LogPush } from '../adapters/push/log-push.js';
import { OneSignalPush } from '../adapters/push/onesignal-push.js';
import { PostgresPushStore } from '../adapters/push/postgres-push-store.js';
import { PlanPushes } from './plan-pushes.js';
import { PushStorePort } from './push-store.port.js';
import { type PushProviders, SendPushes } from './send-pushes.js';

/** Pushes to the devices of members who are offline: PlanPushes for who delivers messages, and the queue of those that are due. */
@Module({
  controllers: [PushesConsumer],
  providers: [
    PlanPushes,
    { provide: PushStorePort, inject: [PostgresLanes], useFactory: (lanes: PostgresLanes) => new PostgresPushStore(lanes.lane('work')) },
    {
      provide: SendPushes,
      inject: [PushStorePort, CONFIG, Breakers, LOGGER, Lifecycle],
      useFactory: (store: PushStorePort, config: Config, breakers: Breakers, logger: Logger, lifecycle: Lifecycle) =>
        new SendPushes(store, providersOf(config, breakers, logger, lifecycle), config.PUSH_CONTENT),
    },
  ],
  exports: [PlanPushes],
})
export class PushModule {}

/** A provider that is not configured only says so. */
const providersOf = (config: Config, breakers: Breakers, logger: Logger, lifecycle: Lifecycle): PushProviders => {
  const { FCM_SERVICE_ACCOUNT: key, FCM_URL, ONESIGNAL_APP_ID: appId, ONESIGNAL_API_KEY: apiKey, ONESIGNAL_URL } = config;
  const closing = <Adapter extends FcmPush | OneSignalPush>(name: string, adapter: Adapter): Adapter => {
    lifecycle.add({ name, phase: 'stores', stop: () => adapter.close() });
    return adapter;
  };
  return {
    fcm:
      key === undefined
        ? new LogPush('fcm', 'FCM_SERVICE_ACCOUNT', logger)
        : closing('fcm', new FcmPush({ url: FCM_URL, account: ServiceAccount.parse(JSON.parse(key)) }, breakers)),
    onesignal:
      appId === undefined || apiKey === undefined
        ? new LogPush('onesignal', 'ONESIGNAL_APP_ID', logger)
        : closing('onesignal', new OneSignalPush({ url: ONESIGNAL_URL, appId, apiKey }, breakers)),
  };
};
