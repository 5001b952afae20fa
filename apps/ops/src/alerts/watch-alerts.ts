import { metrics } from '#lib/runtime/metrics/metrics';
import type { ScrapeRounds } from '../scrape/scrape-rounds.js';
import type { AlertState, AlertStates } from './alert-states.js';
import type { Findings } from './find-alerts.js';
import type { NotifyOperators } from './notify-operators.js';

/** Looks at each round of metrics, and tells operators what has begun and what has ended. */
export class WatchAlerts {
  constructor(
    private readonly rounds: ScrapeRounds,
    private readonly findings: Findings,
    private readonly states: AlertStates,
    private readonly notify: NotifyOperators,
  ) {}

  /** Call it after each round. Waits for Redis at most half a second, for no channel. */
  async execute(): Promise<void> {
    const { latest } = this.rounds;
    if (latest === undefined) return;
    this.findings.note();
    const { firing, resolved } = this.states.next(latest.at, new Set(latest.failed.map(({ target }) => target)));
    show(firing);
    for (const state of firing) await this.notify.raise(state, latest.at);
    for (const state of resolved) await this.notify.resolve(state, latest.at);
    await this.notify.tick(latest.at);
  }
}

const show = (firing: readonly AlertState[]): void => {
  metrics.alertsFiring.reset();
  for (const { rule, mutedBy } of firing) {
    if (mutedBy === undefined) metrics.alertsFiring.set({ alert: rule.name, severity: rule.severity }, 1);
  }
};
