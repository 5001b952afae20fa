import type { Config } from '#lib/runtime/config/config';
import type { Logger } from '#lib/runtime/log/logger';
import { answerSiblings } from '#lib/runtime/workers/sibling-workers';
import { RabbitControlChannel } from './rabbit-control-channel.js';
import { RabbitPublisher } from './rabbit-publisher.js';
import { RabbitQueueStatus } from './rabbit-queue-status.js';

/** Makes the publisher of a process of this app, and lets operators ask what it cannot publish. It connects when it is started. */
export const publisherFor =
  (app: string) =>
  (config: Config, logger: Logger): RabbitPublisher => {
    const publisher = new RabbitPublisher({
      url: config.RABBITMQ_URL,
      app,
      window: config.BUS_CONFIRM_WINDOW,
      confirmTimeoutMs: config.BUS_PUBLISH_TIMEOUT_MS,
      heartbeatS: config.BUS_HEARTBEAT_S,
      logger,
    });
    answerSiblings('publisher', () =>
      publisher.failures.map((each) => ({ ...each, since: each.since.toISOString(), reason: each.reason.slice(0, 300) })),
    );
    return publisher;
  };

/** Makes what a process of this app asks for the state of the queues. It connects when it is started. */
export const queueStatusFor =
  (app: string) =>
  (config: Config, logger: Logger): RabbitQueueStatus => {
    const { RABBITMQ_URL: url, BUS_HEARTBEAT_S: heartbeatS, RABBITMQ_MANAGEMENT_URL: managementUrl } = config;
    return new RabbitQueueStatus({ url, app, heartbeatS, logger, managementUrl });
  };

/** Makes what a process of this app is asked through, and asks others through. It connects when it is started. */
export const controlChannelFor =
  (app: string) =>
  ({ RABBITMQ_URL: url, BUS_HEARTBEAT_S: heartbeatS }: Config, logger: Logger): RabbitControlChannel =>
    new RabbitControlChannel({ url, app, heartbeatS, logger });
