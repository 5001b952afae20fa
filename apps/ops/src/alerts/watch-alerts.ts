import type { AlertsReport } from '#lib/contracts/alerts';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { ScrapeRounds } from '../scrape/scrape-rounds.js';
import type { AlertState, AlertStates } from './alert-states.js';
import type { Findings } from './find-alerts.js';
import { filled, type NotifyOperators } from './notify-operators.js';

/** Looks at each round of metrics, and tells operators what has begun and what has ended. */
export class WatchAlerts {
  constructor(
    private readonly rounds: ScrapeRounds,
    private readonly findings: Findings,
    private readonly states: AlertStates,
    private readonly notify: NotifyOperators,
    private readonly shown: Pick<AlertsReport, 'environment' | 'channels'>,
  ) {}

  /** What is true now, causes before what they mute, the gravest first; and what was told last. */
  report(): AlertsReport {
    const isMuted = ({ mutedBy }: AlertState) => Number(mutedBy !== undefined);
    const items = this.states.all.toSorted(
      (one, other) => isMuted(one) - isMuted(other) || one.rule.severity.localeCompare(other.rule.severity) || one.since - other.since,
    );
    return {
      at: timeOf(this.rounds.latest?.at ?? 0),
      ...this.shown,
      items: items.slice(0, MOST_SHOWN).map(({ rule, state, labels, value, since, mutedBy }) => ({
        alert: rule.name,
        severity: rule.severity,
        state,
        labels,
        summary: filled(rule.summary, labels, value),
        since: timeOf(since),
        mutedBy: mutedBy ?? null,
        runbook: rule.runbook,
      })),
      lastSent: this.notify.lastSent.map(({ at, kind, severity, alert, summary }) => ({ at: timeOf(at), kind, severity, alert, summary })),
    };
  }

  /** Call it after each round. Waits for Redis at most half a second, for no channel. */
  async execute(): Promise<void> {
    const { latest } = this.rounds;
    if (latest === undefined) return;
    this.findings.note();
    const { firing, resolved } = this.states.next(latest.at, new Set(latest.failed.map(({ target }) => target)));
    show(firing);
    // Side by side, so that a Redis that hangs costs all of them half a second and not each.
    await Promise.all([
      ...firing.map((state) => this.notify.raise(state, latest.at)),
      ...resolved.map((state) => this.notify.resolve(state, latest.at)),
    ]);
    await this.notify.tick(latest.at);
  }
}

const MOST_SHOWN = 100;

const timeOf = (at: number): string => new Date(at).toISOString();

const show = (firing: readonly AlertState[]): void => {
  metrics.alertsFiring.reset();
  for (const { rule, mutedBy } of firing) {
    if (mutedBy === undefined) metrics.alertsFiring.set({ alert: rule.name, severity: rule.severity }, 1);
  }
};
