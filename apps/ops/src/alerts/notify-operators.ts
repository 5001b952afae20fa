import type { OncePort } from '#lib/resilience/once/once.port';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { AlertState } from './alert-states.js';
import { fingerprintOf, type Notice } from './notice.js';
import type { AlertRule, Severity } from './rules.js';

/** While an alert stays true it is told again after this, in milliseconds; P2 waits for the digest. */
const COOLDOWN_MS: Readonly<Record<Exclude<Severity, 'P2'>, number>> = { P0: 300_000, P1: 900_000 };
const HOUR_MS = 3_600_000;
/** Another process of ops told it: this one asks again so soon, in case that process is gone. */
const ASK_AGAIN_MS = 15_000;
/** One end is told once, though several processes find it out within a round or two. */
const RESOLVED_ONCE_MS = 60_000;
/** Alerts that a digest lists; more are only counted. */
const MOST_IN_DIGEST = 100;

const MOST_REMEMBERED = 20;

/** Where notices go. */
export interface NoticeSink {
  offer(notice: Notice): void;
}

interface Told {
  /** Until when this process says nothing more of it. */
  until: number;
  suppressedCount: number;
  /** Whether any process told that it fires. */
  isAnnounced: boolean;
}

/**
 * Decides which alert becomes a notice, and when: a P0 or P1 at once and again after its cooldown, a P2 in the digest of its hour, an end once.
 * A graver alert about the same thing has a cooldown of its own, so it is told at once.
 */
export class NotifyOperators {
  /** What this process told last, the newest first. */
  readonly lastSent: Notice[] = [];
  private readonly told = new Map<string, Told>();
  private digest = new Map<string, { rule: AlertRule; summary: string; since: number; until: number; count: number }>();
  private digestCount = 0;
  private hour: number | undefined;

  constructor(
    private readonly once: OncePort,
    private readonly sinks: readonly NoticeSink[],
    private readonly environment: string,
  ) {}

  /** Called in each round in which it fires. */
  async raise(state: AlertState, at: number): Promise<void> {
    const { rule } = state;
    if (state.mutedBy !== undefined) return count('muted');
    if (rule.severity === 'P2') return this.addToDigest(state, at);
    const cooldownMs = COOLDOWN_MS[rule.severity];
    const key = keyOf(state);
    let told = this.told.get(key);
    if (told === undefined) this.told.set(key, (told = { until: 0, suppressedCount: 0, isAnnounced: false }));
    if (at < told.until) {
      told.suppressedCount += 1;
      return count('cooldown');
    }
    told.until = at + ASK_AGAIN_MS;
    const isOurs = await this.once.take(`alert:${key}`, cooldownMs);
    told.isAnnounced = true;
    if (!isOurs) {
      told.suppressedCount += 1;
      return count('elsewhere');
    }
    told.until = at + cooldownMs;
    this.offer(noticeOf(state, 'firing', at, told.suppressedCount));
    told.suppressedCount = 0;
  }

  /** Called once when it has ended. */
  async resolve(state: AlertState, at: number): Promise<void> {
    const key = keyOf(state);
    const told = this.told.get(key);
    if (told?.isAnnounced !== true) return;
    told.isAnnounced = false;
    if (!(await this.once.take(`resolved:${key}`, RESOLVED_ONCE_MS))) return count('elsewhere');
    this.offer(noticeOf(state, 'resolved', at, told.suppressedCount));
    told.suppressedCount = 0;
  }

  /** Called after each round: sends the digest when an hour is over, and forgets what is long over. */
  async tick(at: number): Promise<void> {
    for (const [key, { until, isAnnounced }] of this.told) if (!isAnnounced && until < at) this.told.delete(key);
    const hour = Math.floor(at / HOUR_MS);
    const isOver = this.hour !== undefined && hour > this.hour;
    const ended = this.hour;
    this.hour = hour;
    if (!isOver || this.digestCount === 0) return;
    const notice = this.digestNotice(at);
    this.digest = new Map();
    this.digestCount = 0;
    if (await this.once.take(`digest:${this.environment}:${ended}`, HOUR_MS)) this.offer(notice);
    else count('elsewhere');
  }

  private addToDigest({ rule, fingerprint, labels, value }: AlertState, at: number): void {
    count('digest');
    this.digestCount += 1;
    const known = this.digest.get(fingerprint);
    if (known !== undefined) {
      known.count += 1;
      known.until = at;
      return;
    }
    if (this.digest.size >= MOST_IN_DIGEST) return;
    this.digest.set(fingerprint, { rule, summary: filled(rule.summary, labels, value), since: at, until: at, count: 1 });
  }

  private digestNotice(at: number): Notice {
    const lines = [...this.digest.values()].map(
      ({ rule, summary, since, until, count: seen }) =>
        `${rule.name}: ${summary}. Found ${seen} times, ${new Date(since).toISOString()} to ${new Date(until).toISOString()}`,
    );
    const since = Math.min(...[...this.digest.values()].map((each) => each.since));
    return {
      kind: 'digest',
      severity: 'P2',
      alert: 'Digest',
      fingerprint: fingerprintOf('Digest', {}, this.environment),
      labels: {},
      summary: `${this.digest.size} milder alerts within the hour`,
      detail: lines.join('\n'),
      runbook: undefined,
      since,
      at,
      suppressedCount: this.digestCount,
    };
  }

  private offer(notice: Notice): void {
    this.lastSent.unshift(notice);
    this.lastSent.length = Math.min(this.lastSent.length, MOST_REMEMBERED);
    for (const sink of this.sinks) sink.offer(notice);
  }
}

/** Of two alerts about the same thing each has its own: the end of the one that was muted is no end of the other. */
const keyOf = ({ rule, fingerprint }: AlertState): string => `${rule.severity}:${rule.name}:${fingerprint}`;

const count = (reason: 'muted' | 'cooldown' | 'elsewhere' | 'digest'): void => metrics.alertsSuppressed.inc({ reason });

const noticeOf = (
  { rule, labels, fingerprint, value, firedAt }: AlertState,
  kind: 'firing' | 'resolved',
  at: number,
  suppressedCount: number,
): Notice => ({
  kind,
  severity: rule.severity,
  alert: rule.name,
  fingerprint,
  labels,
  summary: filled(rule.summary, labels, value),
  detail: kind === 'firing' ? rule.means : `It lasted ${Math.max(1, Math.round((at - firedAt) / 60_000))} min.`,
  runbook: rule.runbook,
  since: firedAt,
  at,
  suppressedCount,
});

/** `{queue}` of the table as a person reads it. */
export const filled = (text: string, labels: Readonly<Record<string, string>>, value: number): string =>
  text.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'value' ? shown(value) : (labels[name] ?? '')));

const shown = (value: number): string => (Number.isInteger(value) ? String(value) : value.toPrecision(3));
