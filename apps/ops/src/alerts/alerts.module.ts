import { Module } from '@nestjs/common';
import { Breakers } from '#lib/resilience/call/breakers';
import { MemoryOnce } from '#lib/resilience/adapters/memory-once';
import { OncePort } from '#lib/resilience/once/once.port';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { processName } from '#lib/runtime/process/process-name';
import { answerSiblings } from '#lib/runtime/workers/sibling-workers';
import { ScrapeModule } from '../scrape/scrape.module.js';
import { ScrapeRounds } from '../scrape/scrape-rounds.js';
import { GoogleChatAlertChannel } from './adapters/google-chat-channel.js';
import { LogAlerts } from './adapters/log-channel.js';
import { WebhookAlertChannel } from './adapters/webhook-channel.js';
import type { AlertChannelPort } from './alert-channel.port.js';
import { AlertStates } from './alert-states.js';
import { ChannelSender } from './channel-sender.js';
import { Findings } from './find-alerts.js';
import { NotifyOperators } from './notify-operators.js';
import { rules, severities } from './rules.js';
import { WatchAlerts } from './watch-alerts.js';

/** Alerts without Prometheus: WatchAlerts, which tells the log, Google Chat and a webhook. Needs neither Postgres nor RabbitMQ nor Redis. */
@Module({
  imports: [ScrapeModule],
  providers: [
    {
      provide: OncePort,
      inject: [CONFIG, LOGGER, Lifecycle, Breakers],
      useFactory: async ({ REDIS_URL: url }: Config, logger: Logger, lifecycle: Lifecycle, breakers: Breakers): Promise<OncePort> => {
        if (url === undefined) return new MemoryOnce();
        const [{ connectRedis }, { RedisOnce }] = await Promise.all([
          import('#lib/resilience/adapters/redis-connection'),
          import('#lib/resilience/adapters/redis-once'),
        ]);
        const redis = connectRedis(url, processName('ops'), (error) => logger.debug({ error: error.message }, 'redis connection failed'));
        lifecycle.add({ name: 'redis of alerts', phase: 'stores', stop: () => redis.disconnect() });
        return new RedisOnce(redis, breakers);
      },
    },
    {
      provide: NotifyOperators,
      inject: [OncePort, CONFIG, LOGGER, Lifecycle, Breakers],
      useFactory: (once: OncePort, config: Config, logger: Logger, lifecycle: Lifecycle, breakers: Breakers) => {
        // A counter that appears with its first event has no rise that Prometheus could see.
        for (const severity of severities)
          for (const outcome of ['sent', 'failed', 'dropped']) metrics.alertsSent.inc({ severity, outcome }, 0);
        const senders = channelsOf(config, breakers).map((channel) => {
          const sender = new ChannelSender(channel, logger);
          lifecycle.add({ name: `alerts to ${channel.name}`, phase: 'stores', start: () => sender.start(), stop: () => sender.stop() });
          return sender;
        });
        return new NotifyOperators(once, [new LogAlerts(logger), ...senders], config.ALERT_ENVIRONMENT);
      },
    },
    {
      provide: WatchAlerts,
      inject: [ScrapeRounds, NotifyOperators, CONFIG],
      useFactory: (rounds: ScrapeRounds, notify: NotifyOperators, config: Config) => {
        const { ALERT_ENVIRONMENT: environment } = config;
        const findings = new Findings(rounds);
        const channels = namesOf(config);
        const watch = new WatchAlerts(rounds, findings, new AlertStates(rules, findings, environment), notify, { environment, channels });
        answerSiblings('alerts', () => watch.report());
        return watch;
      },
    },
  ],
  exports: [WatchAlerts],
})
export class AlertsModule {}

const channelsOf = (config: Config, breakers: Breakers): AlertChannelPort[] => {
  const {
    GOOGLE_CHAT_WEBHOOK_URL: chat,
    ALERT_WEBHOOK_URL: webhook,
    ALERT_ENVIRONMENT: environment,
    ALERT_RUNBOOK_URL: runbookUrl,
  } = config;
  return [
    ...(chat === undefined ? [] : [new GoogleChatAlertChannel({ url: chat, environment, runbookUrl }, breakers)]),
    ...(webhook === undefined ? [] : [new WebhookAlertChannel({ url: webhook, environment }, breakers)]),
  ];
};

const namesOf = ({ GOOGLE_CHAT_WEBHOOK_URL: chat, ALERT_WEBHOOK_URL: webhook }: Config): string[] => [
  ...(chat === undefined ? [] : ['Google Chat']),
  ...(webhook === undefined ? [] : ['webhook']),
];
