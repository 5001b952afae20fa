import { Injectable } from '@nestjs/common';
import { ControlChannelPort } from '#lib/bus/control/control-channel.port';
import { QueueWatch } from '#lib/bus/queue-status/queue-watch';
import type { ConsistencyRun } from '#lib/contracts/admin';
import type { AdminSectionName } from '#lib/contracts/admin-live';
import { atAcknowledgement } from '#lib/conversations/first-stages';
import { RecentMessagesPort } from '#lib/conversations/recent-messages.port';
import { LockWaitsPort } from '#lib/database/lock-waits.port';
import { OutboxPort } from '#lib/database/outbox/outbox.port';
import { ConsistencyRunsPort } from '#lib/vectors/consistency/consistency-runs.port';
import { ReadStages } from '../messages/read-stages.js';
import { DeepHealth } from '../operations/deep-health.js';
import { AskOps } from './ask-ops.js';
import { pipelineFlow } from './pipeline-flow.js';
import type { SectionContent, SectionSource } from './section-source.js';
import { workInHand } from './work-in-hand.js';

/** What changes by the second is looked at each second, the rest as often as its source changes. Milliseconds. */
const EACH_SECOND = 1_000;
const EVERY_ROUND_OF_OPS = 2_500;
const SELDOM = 5_000;
/** Nothing of the graph changes while a process runs. */
const ONCE = 2 ** 31 - 1;
/** A question to other processes settles within 1.5 s, a statement of Postgres is stopped. */
const WITHIN_MS = 1_800;
/** Deep health settles within 2.5 s whatever hangs, and says what did. */
const HEALTH_WITHIN_MS = 2_600;

const MOST = { messages: 50, queues: 100, breakers: 100, locks: 50, blockers: 10, alerts: 30, examples: 5 } as const;

type Sources = {
  readonly [Name in AdminSectionName]: Omit<SectionSource, 'name' | 'read'> & { readonly read: () => Promised<SectionContent<Name>> };
};
type Promised<T> = Promise<T> | T;

/** The table of sections: where each comes from, and how often. */
@Injectable()
export class SectionSources {
  private readonly measurements: AskOps<'measurements'>;
  private readonly scaling: AskOps<'scaling'>;
  private readonly watched: AskOps<'alerts'>;

  constructor(
    private readonly control: ControlChannelPort,
    private readonly queueWatch: QueueWatch,
    private readonly health: DeepHealth,
    private readonly outbox: OutboxPort,
    private readonly lockWaits: LockWaitsPort,
    private readonly runs: ConsistencyRunsPort,
    private readonly recent: RecentMessagesPort,
    private readonly stages: ReadStages,
  ) {
    this.measurements = new AskOps(control, 'measurements', EVERY_ROUND_OF_OPS - 100);
    this.scaling = new AskOps(control, 'scaling', 0);
    this.watched = new AskOps(control, 'alerts', 0);
  }

  all(): SectionSource[] {
    const sources: Sources = {
      flow: { everyMs: ONCE, withinMs: WITHIN_MS, read: () => flowOnce },
      queues: { everyMs: EACH_SECOND, withinMs: WITHIN_MS, read: () => this.queues() },
      processes: { everyMs: EVERY_ROUND_OF_OPS, withinMs: WITHIN_MS, read: () => this.processes() },
      dependencies: { everyMs: EVERY_ROUND_OF_OPS, withinMs: HEALTH_WITHIN_MS, read: () => this.dependencies() },
      latencies: { everyMs: EVERY_ROUND_OF_OPS, withinMs: WITHIN_MS, read: () => this.latencies() },
      outbox: { everyMs: EACH_SECOND, withinMs: WITHIN_MS, read: () => this.outbox.depth() },
      locks: { everyMs: EACH_SECOND, withinMs: WITHIN_MS, read: () => this.locks() },
      requests: { everyMs: EACH_SECOND, withinMs: WITHIN_MS, read: () => this.requests() },
      alerts: { everyMs: SELDOM, withinMs: WITHIN_MS, read: () => this.alerts() },
      advice: { everyMs: SELDOM, withinMs: WITHIN_MS, read: () => this.advice() },
      consistency: { everyMs: EVERY_ROUND_OF_OPS, withinMs: WITHIN_MS, read: () => this.consistency() },
      messages: { everyMs: EACH_SECOND, withinMs: WITHIN_MS, read: () => this.messages() },
    };
    return Object.entries(sources).map(([name, source]) => ({ name: name as AdminSectionName, ...source }));
  }

  private async queues(): Promise<SectionContent<'queues'>> {
    // Without ops the rates are not known; what the broker says is.
    const [{ items }, measured] = await Promise.all([this.queueWatch.read(), this.measurements.execute().catch(() => undefined)]);
    const rates = new Map(measured?.queues.map(({ name, ...rate }) => [name, rate]));
    const unknown = { publishedPerSecond: null, handledPerSecond: null };
    return { items: items.slice(0, MOST.queues).map((queue) => ({ ...queue, ...(rates.get(queue.name) ?? unknown) })) };
  }

  private async processes(): Promise<SectionContent<'processes'>> {
    const { at: measuredAt, processes: items } = await this.measurements.execute();
    return { measuredAt, items };
  }

  private async latencies(): Promise<SectionContent<'latencies'>> {
    const { at: measuredAt, latencies } = await this.measurements.execute();
    return { measuredAt, ...latencies };
  }

  private async dependencies(): Promise<SectionContent<'dependencies'>> {
    const [{ status, checks }, { processes, others }] = await Promise.all([this.health.execute(), this.control.ask('breakers')]);
    const breakers = processes
      .flatMap((each) =>
        each.silent ? [] : (each.answer ?? []).map((breaker) => ({ app: each.app, host: each.host, pid: each.pid, ...breaker })),
      )
      .filter(({ state }) => state !== 'closed');
    return {
      status,
      items: Object.entries(checks).map(([name, check]) => ({ name, ...check, latencyMs: Math.round(check.latencyMs) })),
      // That those of this process are closed says nothing of the others.
      breakers: others === 'unreachable' && breakers.length === 0 ? null : breakers.slice(0, MOST.breakers),
    };
  }

  private async locks(): Promise<SectionContent<'locks'>> {
    const waits = await this.lockWaits.read();
    return { items: waits.slice(0, MOST.locks).map((wait) => ({ ...wait, blockedBy: wait.blockedBy.slice(0, MOST.blockers) })) };
  }

  private async requests(): Promise<SectionContent<'requests'>> {
    return workInHand((await this.control.ask('report')).processes);
  }

  private async alerts(): Promise<SectionContent<'alerts'>> {
    const { environment, channels, items, lastSent } = await this.watched.execute();
    return { environment, channels, items: items.slice(0, MOST.alerts), lastSent };
  }

  private async advice(): Promise<SectionContent<'advice'>> {
    const { items } = await this.scaling.execute();
    return {
      items: items.map(({ service, action, rebalance, reason, now, to, confidence }) => ({
        service,
        action,
        rebalance,
        reason,
        now,
        to,
        confidence,
      })),
    };
  }

  private async consistency(): Promise<SectionContent<'consistency'>> {
    const { waiting, running, last } = await this.runs.status();
    return { waiting: withFewExamples(waiting), running: withFewExamples(running), last: withFewExamples(last) };
  }

  private async messages(): Promise<SectionContent<'messages'>> {
    const newest = await this.recent.newest(MOST.messages);
    const states = await this.stages.execute(newest);
    return {
      items: newest.map(({ id, conversationId, seq, createdAt }) => ({
        id,
        conversationId,
        seq,
        createdAt: createdAt.toISOString(),
        pipeline: states.get(id) ?? atAcknowledgement,
      })),
    };
  }
}

const { nodes, edges } = pipelineFlow();
const flowOnce = { nodes: [...nodes], edges: [...edges] };

function withFewExamples(run: ConsistencyRun | null): ConsistencyRun | null {
  if (run?.report == null) return run;
  const examples = Object.fromEntries(Object.entries(run.report.examples).map(([kind, ids]) => [kind, ids.slice(0, MOST.examples)]));
  return { ...run, report: { ...run.report, examples: examples as typeof run.report.examples } };
}
