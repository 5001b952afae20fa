import type { OutgoingFrame } from '../session/live-session.js';

/** What a session lacks of changes: of messages up to `throughSeq` (undefined: of all that it has), since `since`. */
interface LackedChanges {
  readonly since: Date;
  readonly throughSeq: number | undefined;
}

/** How a catch-up begins. */
export interface CatchUpStart {
  /** The session has everything up to here. Undefined: it became a member and its signal was lost; Postgres knows when. */
  readonly fromSeq: number | undefined;
  /** Whether a `resumed` frame ends it. */
  readonly isResume: boolean;
  /** The client wants to hear of edits and deletions since then, of what it has. */
  readonly changedSince?: Date | undefined;
}

/** Changes that are kept for one session and conversation; more are read again. */
const MAX_NOTED = 50;
/** Between the time of a change and its commit, and between the clocks of processes. */
const CLOCK_MARGIN_MS = 10_000;

/**
 * One session on its way to being live in one conversation. It is live again once nothing is left to send, at a moment without an await.
 *
 *   queued ──▶ reading a page ──▶ sending it, as fast as the client reads ──▶ behind? again
 *                                                                       └──▶ changes to tell? read them ──▶ again
 *                                                                       └──▶ what was noted meanwhile, `resumed`, live
 */
export class CatchUp {
  position: number | undefined;
  lacked: LackedChanges | undefined;
  private readonly startedAt: number = Date.now();
  private noted: OutgoingFrame[] = [];
  /** When the oldest change was made that was noted, in milliseconds of the epoch: it may be told long after. */
  private notedSince = Number.POSITIVE_INFINITY;

  /** @param before a catch-up that this one replaces: the changes that it has not told yet are told by this one. */
  constructor(
    readonly start: CatchUpStart,
    before?: CatchUp,
  ) {
    this.position = start.fromSeq;
    const { changedSince, fromSeq } = start;
    if (changedSince !== undefined) this.lacked = { since: changedSince, throughSeq: fromSeq };
    if (before === undefined) return;
    this.noted = [...before.noted];
    this.notedSince = before.notedSince;
    this.startedAt = before.startedAt;
    if (before.lacked !== undefined) this.lackChanges(before.lacked.since);
  }

  /** A change of `atMs` that the live sessions are told now: a page that is being read may not have it yet. */
  note(frame: OutgoingFrame, atMs: number): void {
    this.notedSince = Math.min(this.notedSince, atMs);
    if (this.noted.length < MAX_NOTED) {
      this.noted.push(frame);
      return;
    }
    this.noted = [];
    this.lackChanges(new Date(Math.min(this.startedAt, this.notedSince) - CLOCK_MARGIN_MS));
  }

  /** Changes since then (default: since it began) may have been missed: they are read before it is live. */
  lackChanges(since = new Date(this.startedAt - CLOCK_MARGIN_MS)): void {
    const earlier = this.lacked?.since ?? since;
    this.lacked = { since: earlier < since ? earlier : since, throughSeq: undefined };
  }

  /** The changes that were noted, once. */
  takeNoted(): readonly OutgoingFrame[] {
    const noted = this.noted;
    this.noted = [];
    return noted;
  }
}
