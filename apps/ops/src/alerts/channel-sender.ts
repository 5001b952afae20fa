import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '#lib/runtime/log/error-code';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { type Backoff, exponential } from '#lib/runtime/work/backoff';
import { type AlertChannelPort, ChannelBusy } from './alert-channel.port.js';
import { fingerprintOf, type Notice } from './notice.js';
import { NoticeQueue } from './notice-queue.js';
import { type Severity, severities } from './rules.js';

/** Pace and patience of one channel, in milliseconds; R066, and the quota of Google Chat: 60 notices a minute in a space. */
export interface SenderSettings {
  /** Between two notices. */
  readonly everyMs: number;
  /** Tries of one notice. */
  readonly tries: number;
  readonly backoff: Backoff;
  /** Between two tries to tell what was missed. */
  readonly missedEveryMs: number;
  /** Longest pause that a channel may ask for: a wrong `Retry-After` must not silence alerts for a day. */
  readonly longestPauseMs: number;
  /** At a stop what waits has so long: the other processes of ops take it for told. */
  readonly lastWordsMs: number;
}

export const SENDER: SenderSettings = {
  everyMs: 1_000,
  tries: 3,
  backoff: { baseMs: 1_000, capMs: 3_000 },
  missedEveryMs: 30_000,
  longestPauseMs: 600_000,
  lastWordsMs: 3_000,
};

/** Different alerts that one notice of what was missed lists. */
const MOST_MISSED = 100;

/**
 * Sends the notices of one channel, one after the other, so that a channel that hangs holds up no other and nothing else of the process.
 *
 *     idle --(a notice)--> sending --taken--> idle
 *                             |--refused or late, three tries--> missed --(30 s, or another notice was taken)--> sending, as one notice
 *                             `--asked for a pause--> pausing --> sending
 *     (any) --stop--> sending what waits, one try each --(none left, not taken, or 3 s)--> ended
 */
export class ChannelSender {
  private readonly queue: NoticeQueue;
  private readonly missed = new Map<string, { severity: Severity; alert: string; summary: string; at: number }>();
  /** What the notice of missed ones that was made last tells. */
  private listed: { readonly keys: readonly string[]; readonly count: number } = { keys: [], count: 0 };
  /** A stop has begun: what waits is tried once more. */
  private readonly ending = new AbortController();
  /** Nothing is sent any more. */
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private wakeUp: () => void = () => undefined;
  private isFailing = false;
  private missedCount = 0;

  constructor(
    private readonly channel: AlertChannelPort,
    private readonly logger: Logger,
    private readonly settings: SenderSettings = SENDER,
    limit?: number,
  ) {
    this.queue = new NoticeQueue(limit);
  }

  /** Notices that wait, and alerts that were missed. */
  get load(): { readonly waiting: number; readonly missed: number } {
    return { waiting: this.queue.size, missed: this.missed.size };
  }

  start(): void {
    this.running = this.run();
  }

  /** Resolves when nothing is sent any more: what waits is tried once each, for `lastWordsMs` at most, and what is left is given up. */
  async stop(): Promise<void> {
    this.ending.abort();
    this.wakeUp();
    const giveUp = () => {
      this.stopping.abort();
      this.channel.close();
    };
    const timer = setTimeout(giveUp, this.settings.lastWordsMs);
    await this.running;
    clearTimeout(timer);
    giveUp();
  }

  /** Returns at once. */
  offer(notice: Notice): void {
    this.lose(this.queue.add(notice));
    this.wakeUp();
  }

  private lose(lost: Notice | undefined): void {
    if (lost === undefined) return;
    metrics.alertsSent.inc({ severity: lost.severity, outcome: 'dropped' });
    this.miss(lost);
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const next = this.queue.take();
      if (next === undefined) {
        if (this.ending.signal.aborted) return;
        await this.untilOffered();
        continue;
      }
      // Made anew: since it was put in line more may have been missed, or all of it told.
      const notice = next.kind === 'missed' ? this.missedNotice() : next;
      if (notice === undefined) continue;
      const isTaken = await this.deliver(notice);
      if (isTaken) this.lineUpMissed();
      else if (this.ending.signal.aborted) return;
      await this.pause(this.settings.everyMs, signal);
    }
  }

  /** @returns whether the channel took it. */
  private async deliver(notice: Notice): Promise<boolean> {
    const { tries, backoff, longestPauseMs } = this.settings;
    const { signal } = this.stopping;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await this.channel.send(notice);
        this.taken(notice);
        return true;
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof ChannelBusy) {
          const pauseMs = Math.min(longestPauseMs, error.retryAfterMs ?? exponential(attempt, { baseMs: 2_000, capMs: 60_000 }));
          this.logger.info({ channel: this.channel.name, pauseMs }, 'the channel of alerts asks for a pause');
          // Back in line: a graver one that came meanwhile goes first, and a newer one of the same alert takes its place.
          this.lose(this.queue.putBack(notice));
          await this.pause(pauseMs);
          return false;
        }
        if (attempt >= tries || this.ending.signal.aborted) {
          this.failed(notice, error);
          return false;
        }
        await this.pause(exponential(attempt, backoff));
      }
    }
    return false;
  }

  private taken(notice: Notice): void {
    metrics.alertsSent.inc({ severity: notice.severity, outcome: 'sent' });
    if (notice.kind === 'missed') {
      for (const key of this.listed.keys) this.missed.delete(key);
      this.missedCount -= this.listed.count;
    }
    if (!this.isFailing) return;
    this.isFailing = false;
    this.logger.info({ channel: this.channel.name }, 'alerts can be sent again');
  }

  private failed(notice: Notice, error: unknown): void {
    metrics.alertsSent.inc({ severity: notice.severity, outcome: 'failed' });
    this.miss(notice);
    if (this.isFailing) return;
    this.isFailing = true;
    this.logger.error({ channel: this.channel.name, alert: notice.alert, code: codeOf(error) }, 'alerts cannot be sent');
  }

  private miss({ fingerprint, kind, severity, alert, summary, at }: Notice): void {
    if (kind === 'missed') return; // what it lists is still known
    this.missedCount += 1;
    const key = `${fingerprint} ${kind}`;
    const known = this.missed.get(key);
    const text = kind === 'resolved' ? `resolved: ${summary}` : summary;
    if (known !== undefined) known.summary = text;
    else if (this.missed.size < MOST_MISSED) this.missed.set(key, { severity, alert, summary: text, at });
  }

  private lineUpMissed(): void {
    const notice = this.missedNotice();
    if (notice !== undefined) this.lose(this.queue.add(notice));
  }

  private missedNotice(): Notice | undefined {
    if (this.missed.size === 0) return undefined;
    this.listed = { keys: [...this.missed.keys()], count: this.missedCount };
    const all = [...this.missed.values()].toSorted((one, other) => one.at - other.at);
    const severity = severities.find((each) => all.some((missed) => missed.severity === each)) ?? 'P2';
    const since = all[0]?.at ?? Date.now();
    return {
      kind: 'missed',
      severity,
      alert: 'NotSent',
      fingerprint: fingerprintOf('NotSent', {}, this.channel.name),
      labels: {},
      summary: `${this.missedCount} notices could not be sent since ${new Date(since).toISOString()}`,
      detail: all.map((each) => `[${each.severity}] ${each.alert}: ${each.summary} (${new Date(each.at).toISOString()})`).join('\n'),
      runbook: 'alerts-not-sent.md',
      since,
      at: Date.now(),
      suppressedCount: 0,
    };
  }

  /** Waits for a notice; for what was missed at most as long as its pause. */
  private async untilOffered(): Promise<void> {
    const woken = new Promise<void>((resolve) => (this.wakeUp = resolve));
    if (this.missed.size === 0) return woken;
    const over = new AbortController();
    const timer = sleep(this.settings.missedEveryMs, undefined, { signal: over.signal, ref: false }).catch(() => undefined);
    await Promise.race([woken, timer]);
    over.abort();
    if (this.queue.size === 0 && !this.ending.signal.aborted) this.lineUpMissed();
  }

  /** Shorter when a stop begins. */
  private async pause(ms: number, signal = this.ending.signal): Promise<void> {
    await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** Of what was underneath: `http-404` says more than that the dependency is away. */
const codeOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const status = typeof cause === 'object' && cause !== null && 'status' in cause ? cause.status : undefined;
  return typeof status === 'number' ? `http-${status}` : errorCode(cause);
};
