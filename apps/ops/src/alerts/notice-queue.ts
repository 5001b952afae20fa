import type { Notice } from './notice.js';
import type { Severity } from './rules.js';

/** Notices that wait for one channel. */
const MOST_WAITING = 1_000;
const RANK: Readonly<Record<Severity, number>> = { P0: 0, P1: 1, P2: 2 };

/**
 * Notices in the order in which they are sent: P0 first, then P1, then P2, each in the order of their coming. A notice takes the place of one of
 * the same alert that still waits. When it is full, the oldest of the mildest goes, and never a P0 for a milder one.
 */
export class NoticeQueue {
  private readonly waiting = new Map<string, Notice>();

  constructor(private readonly limit = MOST_WAITING) {}

  get size(): number {
    return this.waiting.size;
  }

  /** @returns the notice that lost its place, which may be the one that came; undefined = none. */
  add(notice: Notice): Notice | undefined {
    const key = keyOf(notice);
    const known = this.waiting.get(key);
    // It keeps its place, but for a beginning after an end that waits: the last word must be true.
    if (notice.kind === 'firing' && this.waiting.has(keyOf({ ...notice, kind: 'resolved' }))) this.waiting.delete(key);
    this.waiting.set(key, known === undefined ? notice : standingForBoth(notice, known));
    return this.evicted();
  }

  /** Takes one back that could not be sent yet: to the front, before its end. One of the same alert that came meanwhile is newer, and stays. */
  putBack(notice: Notice): Notice | undefined {
    const key = keyOf(notice);
    const newer = this.waiting.get(key);
    if (newer !== undefined) {
      this.waiting.set(key, standingForBoth(newer, notice));
      return undefined;
    }
    const later = [...this.waiting];
    this.waiting.clear();
    for (const [each, waiting] of [[key, notice] as const, ...later]) this.waiting.set(each, waiting);
    return this.evicted();
  }

  /** The next one to send. */
  take(): Notice | undefined {
    const next = [...this.waiting.values()].reduce<Notice | undefined>(
      (best, each) => (best === undefined || RANK[each.severity] < RANK[best.severity] ? each : best),
      undefined,
    );
    if (next !== undefined) this.waiting.delete(keyOf(next));
    return next;
  }

  private evicted(): Notice | undefined {
    if (this.waiting.size <= this.limit) return undefined;
    const mildest = Math.max(...[...this.waiting.values()].map(({ severity }) => RANK[severity]));
    const victim = [...this.waiting.values()].find(({ severity }) => RANK[severity] === mildest);
    if (victim !== undefined) this.waiting.delete(keyOf(victim));
    return victim;
  }
}

/** Nothing that was counted is lost. */
const standingForBoth = (newer: Notice, older: Notice): Notice => ({
  ...newer,
  suppressedCount: newer.suppressedCount + older.suppressedCount + 1,
});

/** The end of an alert is another notice than its beginning, and a graver one another than a milder one. */
const keyOf = ({ kind, severity, alert, fingerprint }: Notice): string => `${kind} ${severity} ${alert} ${fingerprint}`;
