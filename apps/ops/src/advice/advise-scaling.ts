import { type ScalingAdvice, type ScalingReport, scalingActions } from '#lib/contracts/scaling';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { ScrapeRounds } from '../scrape/scrape-rounds.js';
import { advise, atLoad, refuse } from './advise.js';
import type { QueueSettings } from './collect-queue.js';
import { collectSnapshot } from './collect-snapshot.js';
import type { ConnectionLimitsPort } from './connection-limits.port.js';
import { connectionsOf } from './derived.js';
import { serviceProfiles } from './service-profiles.js';
import type { ServiceSnapshot, SharedLimits, UnknownService } from './snapshot.js';

/** Kept for migrations, an operator's psql and the superuser (docs/operate/scaling.md). */
const RESERVED_CONNECTIONS = 10;
const MISSING_WINDOW_MS = 120_000;
/** Of the processes that give no metrics, so many are named (libs/contracts scaling.ts). */
const MOST_MISSING = 100;
const DOUBLE = 2;
/** `max_connections` changes with a restart of Postgres only. */
const LIMITS_KEPT_MS = 300_000;

/** The settings that advice depends on. */
export interface AdviceSettings extends QueueSettings {
  readonly METRICS_TARGETS: readonly string[];
  readonly ADVICE_WINDOW_MS: number;
}

/** Says what to scale, derived from the newest rounds of metrics. */
export class AdviseScaling {
  private limits: { readonly maxConnections: number; readonly readAt: number } | undefined;

  constructor(
    private readonly rounds: ScrapeRounds,
    private readonly postgres: ConnectionLimitsPort,
    private readonly settings: AdviceSettings,
  ) {}

  /** Reads `max_connections` where that is due, and shows the advice of now as `scaling_recommendation`. Never rejects. */
  async execute(): Promise<void> {
    const isDue = this.limits === undefined || performance.now() - this.limits.readAt > LIMITS_KEPT_MS;
    if (isDue) {
      const maxConnections = await this.postgres.maxConnections().catch(() => undefined);
      if (maxConnections !== undefined) this.limits = { maxConnections, readAt: performance.now() };
    }
    for (const { service, action } of this.report().items) {
      for (const each of scalingActions) metrics.scalingRecommendation.set({ service, action: each }, Number(each === action));
    }
  }

  /** What to do about every service, as of the newest round. */
  report(now = Date.now()): ScalingReport {
    const { METRICS_TARGETS: targets, ADVICE_WINDOW_MS: windowMs } = this.settings;
    // Names that are looked up mean pods behind them, which an orchestrator replaces one by one.
    const surge = targets.some((target) => target.startsWith('dns+')) ? 1 : 0;
    const source = { rounds: this.rounds, settings: this.settings, now, surge, windowMs };
    const found = serviceProfiles.map((profile) => collectSnapshot(profile, source));
    const known = found.filter(isKnown);
    const on = (factor: number) => found.map((each) => this.adviseOn(isKnown(each) ? atLoad(each, factor) : each, known));
    return {
      at: new Date(this.rounds.latest?.at ?? 0).toISOString(),
      items: on(1),
      atDoubleLoad: on(DOUBLE),
      missing: this.rounds
        .missing({ ms: MISSING_WINDOW_MS })
        .slice(0, MOST_MISSING)
        .map(({ target, code }) => ({ target, service: this.rounds.serviceAt(target) ?? null, code })),
      seesOnlyItself: targets.length === 0,
    };
  }

  private adviseOn(found: ServiceSnapshot | UnknownService, known: readonly ServiceSnapshot[]): ScalingAdvice {
    if (!isKnown(found)) return refuse(found);
    const { limits } = this;
    if (limits === undefined) return refuse({ service: found.service, pods: found.pods, unknown: ['max_connections of Postgres is'] });
    const others = known.filter(({ service }) => service !== found.service);
    const shared: SharedLimits = {
      maxConnections: limits.maxConnections,
      reserved: RESERVED_CONNECTIONS,
      otherConnections: others.reduce((sum, each) => sum + connectionsOf(each), 0),
    };
    const advice = advise(found, shared);
    const silent = this.rounds.missing({ ms: MISSING_WINDOW_MS }).filter(({ target }) => this.rounds.serviceAt(target) === found.service);
    if (silent.length === 0) return advice;
    const check = `${silent.length} more ${found.service} ${silent.length === 1 ? 'process does' : 'processes do'} not give metrics: ${silent.map(({ target, code }) => `${target} (${code})`).join(', ')}`;
    return { ...advice, checks: [check.slice(0, 500), ...advice.checks], confidence: 'low' };
  }
}

const isKnown = (found: ServiceSnapshot | UnknownService): found is ServiceSnapshot => !('unknown' in found);
