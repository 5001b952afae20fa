import { type DynamicModule, Inject, Module } from '@nestjs/common';
import { ControlChannelPort } from '#lib/bus/control/control-channel.port';
import { PipelineTroubles } from '#lib/bus/queue-status/pipeline-trouble';
import { QueueWatch } from '#lib/bus/queue-status/queue-watch';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Health, type HealthProbe } from '#lib/runtime/health/health';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { AdminConsistencyController } from '../adapters/http/routes/admin/consistency.controller.js';
import { AdminDeadLettersController } from '../adapters/http/routes/admin/dead-letters.controller.js';
import { AdminOutboxController } from '../adapters/http/routes/admin/outbox.controller.js';
import { AdminProcessesController } from '../adapters/http/routes/admin/processes.controller.js';
import { AdminScalingController } from '../adapters/http/routes/admin/scaling.controller.js';
import { AdminAlertsController } from '../adapters/http/routes/admin/alerts.controller.js';
import { AdminQueuesController } from '../adapters/http/routes/admin/queues.controller.js';
import { HealthController } from '../adapters/http/routes/health.controller.js';
import { ConsoleController } from '../adapters/http/console/console.controller.js';
import { CONSOLE_MODE, type ConsoleMode } from '../adapters/http/console/console-page.js';
import { ProblemsPageController } from '../adapters/http/routes/problems-page.controller.js';
import { DeepHealth } from './deep-health.js';
import { llmProbe } from './llm-probe.js';

/** Degraded, never down, while events do not get where they should: everything that was accepted is kept. */
const pipelineProbe = (queues: QueueWatch, relay: OutboxRelay): HealthProbe => {
  const troubles = new PipelineTroubles();
  return {
    name: 'pipeline',
    check: async () => {
      const found = troubles.find(await queues.read(), relay.depth?.oldestAgeSeconds);
      return found.length === 0 ? undefined : { degraded: found.join(', ') };
    },
  };
};

/** What operators ask: health, queues, dead letters, the outbox, processes, consistency runs; and the pages for people. */
@Module({
  controllers: [
    AdminQueuesController,
    AdminDeadLettersController,
    AdminOutboxController,
    AdminConsistencyController,
    AdminProcessesController,
    AdminScalingController,
    AdminAlertsController,
    HealthController,
    ProblemsPageController,
    ConsoleController,
  ],
  providers: [DeepHealth],
})
export class OperationsModule {
  /** @param mode as the console shows it. */
  static in(mode: ConsoleMode): DynamicModule {
    return { module: OperationsModule, providers: [{ provide: CONSOLE_MODE, useValue: mode }] };
  }

  constructor(
    health: Health,
    queues: QueueWatch,
    relay: OutboxRelay,
    control: ControlChannelPort,
    lifecycle: Lifecycle,
    @Inject(CONFIG) { LLM_PROVIDER }: Config,
  ) {
    health.add(pipelineProbe(queues, relay));
    if (LLM_PROVIDER !== 'local') health.add(llmProbe(control));
    lifecycle.add({ name: 'health', phase: 'background', start: () => health.start(), stop: () => health.stop() });
  }
}
