import type { Finding, Findings } from './find-alerts.js';
import { fingerprintOf } from './notice.js';
import { AFTERMATH_SECONDS, type AlertRule, type Outage } from './rules.js';

/** An alert that is or was true: one rule with one set of labels. */
export interface AlertState {
  readonly rule: AlertRule;
  readonly labels: Readonly<Record<string, string>>;
  readonly fingerprint: string;
  readonly since: number;
  state: 'pending' | 'firing';
  value: number;
  targets: readonly string[];
  /** When it was last found true. */
  seenAt: number;
  /** When it began to fire; 0 while pending. */
  firedAt: number;
  /** Why no notice of it is sent; undefined = notices are sent. */
  mutedBy: string | undefined;
}

/** What a round changed. */
export interface AlertRound {
  readonly firing: readonly AlertState[];
  readonly resolved: readonly AlertState[];
}

/** Alerts at once, of all rules: labels come from closed sets, so more are a mistake that must not cost memory. */
const MOST_ALERTS = 1_000;
/** So many more of the gravest, so that no number of milder ones keeps one of them from being told. */
const MOST_GRAVEST = 500;
/** A process that said so and does not answer is waited for: its silence is no good news. */
const BELIEVED_MS = 60_000;

/**
 * The alerts of one process of ops. Each follows
 *
 *     (not true) --found--> pending --(true for afterSeconds)--> firing --not found--> resolved (told once, then forgotten)
 *                              `--not found--> (not true)           `--not found, and a process that said so does not answer: firing for 60 s
 *
 * An outage that is pending or firing mutes what follows from it, one that fired also for `AFTERMATH_SECONDS` after its end; a graver rule
 * that fires mutes the milder one about the same thing.
 */
export class AlertStates {
  private readonly states = new Map<string, AlertState>();
  /** The outages that fired, with the name of the rule and when it was last true. */
  private readonly pastOutages = new Map<Outage, { readonly by: string; readonly at: number }>();

  constructor(
    private readonly rules: readonly AlertRule[],
    private readonly findings: Findings,
    private readonly environment: string,
  ) {}

  /** Everything that is pending or firing. */
  get all(): readonly AlertState[] {
    return [...this.states.values()];
  }

  /** Looks at the newest round. @param failed targets that did not answer in it. */
  next(at: number, failed: ReadonlySet<string>): AlertRound {
    const resolved: AlertState[] = [];
    for (const rule of this.rules) {
      const found = new Map(this.found(rule).map((each) => [keyOf(rule, each.labels), each]));
      for (const [key, finding] of found) this.see(key, rule, finding, at);
      for (const [key, state] of this.states) {
        if (state.rule !== rule || found.has(key)) continue;
        const isUnknown = at - state.seenAt < BELIEVED_MS && state.targets.some((target) => failed.has(target));
        if (isUnknown) continue;
        this.states.delete(key);
        if (state.state === 'firing') resolved.push(state);
      }
    }
    this.mute(at);
    return { firing: this.all.filter(({ state }) => state === 'firing'), resolved };
  }

  private found({ builtIn }: AlertRule): Finding[] {
    return builtIn?.anyOf.flatMap((condition) => this.findings.of(condition)) ?? [];
  }

  private see(key: string, rule: AlertRule, { labels, value, targets }: Finding, at: number): void {
    let known = this.states.get(key);
    if (known === undefined) {
      if (this.states.size >= MOST_ALERTS + (rule.severity === 'P0' ? MOST_GRAVEST : 0)) return;
      const fingerprint = fingerprintOf(rule.worseThan ?? rule.name, labels, this.environment);
      known = { rule, labels, fingerprint, since: at, state: 'pending', value, targets, seenAt: at, firedAt: 0, mutedBy: undefined };
      this.states.set(key, known);
    }
    Object.assign(known, { value, targets, seenAt: at });
    const afterSeconds = rule.builtIn?.afterSeconds ?? rule.forSeconds;
    if (known.state === 'firing' || at - known.since < afterSeconds * 1_000) return;
    known.state = 'firing';
    known.firedAt = at;
  }

  private mute(at: number): void {
    const past = [...this.pastOutages].filter(([, ended]) => at - ended.at <= AFTERMATH_SECONDS * 1_000);
    const outages = new Map(past.map(([outage, { by }]) => [outage, by]));
    const graver = new Map<string, string>();
    for (const { rule, state, fingerprint } of this.states.values()) {
      if (rule.outageOf !== undefined) {
        outages.set(rule.outageOf, rule.name);
        if (state === 'firing') this.pastOutages.set(rule.outageOf, { by: rule.name, at });
      }
      if (rule.worseThan !== undefined && state === 'firing') graver.set(`${rule.worseThan} ${fingerprint}`, rule.name);
    }
    for (const state of this.states.values()) {
      const { rule, fingerprint } = state;
      const outage = rule.consequenceOf?.find((each) => outages.has(each));
      state.mutedBy = outage === undefined ? graver.get(`${rule.name} ${fingerprint}`) : outages.get(outage);
    }
  }
}

const keyOf = (rule: AlertRule, labels: Readonly<Record<string, string>>): string => `${rule.name} ${JSON.stringify(labels)}`;
