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
  private readonly startedAt = Date.now();
  private noted: OutgoingFrame[] = [];

  constructor(readonly start: CatchUpStart) {
    this.position = start.fromSeq;
    const { changedSince, fromSeq } = start;
    if (changedSince !== undefined) this.lacked = { since: changedSince, throughSeq: fromSeq };
  }

  /** A change that the live sessions are told now: a page that is being read may not have it yet. */
  note(frame: OutgoingFrame): void {
    if (this.noted.length < MAX_NOTED) this.noted.push(frame);
    else this.lackChanges();
  }

  /** Changes since it began may have been missed: they are read before it is live. */
  lackChanges(): void {
    this.noted = [];
    const since = new Date(Math.min(this.startedAt - CLOCK_MARGIN_MS, this.lacked?.since.getTime() ?? Number.POSITIVE_INFINITY));
    this.lacked = { since, throughSeq: undefined };
  }

  /** The changes that were noted, once. */
  takeNoted(): readonly OutgoingFrame[] {
    const noted = this.noted;
    this.noted = [];
    return noted;
  }
}
