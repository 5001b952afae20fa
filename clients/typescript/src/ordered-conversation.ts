import type { Message, MessageFrame, ResumePoint } from './frames.js';
import type { SeenVersions } from './seen-versions.js';

// One conversation as its readers are shown it: 1, 2, 3, ... in order, each once.
//
//              first frame: baseline              seq > last + 1: hold, ask
//   unknown ───────────────────────▶ in order ─────────────────────────────▶ incomplete
//                                    │  ▲  ▲ ◀──────── the gap arrives ──────────┘ │
//                      no room       ▼  │  └──────── follow() ─────── behind ◀─────┘ refused: too much is missing
//                                   paused: hold what fits, drop the rest, ask for it when there is room
//
// A change of a message that was shown is passed on once per version. What changed before it could be shown arrives as one `created` in its
// newest state, as it does when the server sends what was missed.

/** Something that happened in a conversation. `created` comes once per `seq`, in order, the others at any time after it. */
export interface Change {
  readonly type: 'created' | 'edited' | 'deleted';
  readonly conversationId: string;
  readonly seq: number;
  readonly message: Message;
}

/** Takes what is in order. */
export interface ChangeReader {
  hasRoom(conversationId: string): boolean;
  take(change: Change): void;
}

interface Held {
  created: boolean;
  message: Message;
}

const changeOf = ({ deletedAt }: Message): Change['type'] => (deletedAt === undefined ? 'edited' : 'deleted');
const kinds = { 'message.created': 'created', 'message.edited': 'edited', 'message.deleted': 'deleted' } as const;

/** Frames held while what precedes them is missing. What does not fit is dropped and asked for later. */
export const MAX_HELD = 256;

export class OrderedConversation {
  private lastSeq: number | undefined;
  private seenSeq = 0;
  private readonly held = new Map<number, Held>();
  private isPaused = false;
  private isBehind = false;
  /** Something may have been missed beside what `seenSeq` shows: frames were dropped, or there was no connection. */
  private mayLack = false;
  private changedSince: string | undefined;

  constructor(
    readonly id: string,
    private readonly reader: ChangeReader,
    private readonly versions: SeenVersions,
  ) {}

  /** The newest message that was shown; undefined before the first one. */
  get last(): number | undefined {
    return this.lastSeq;
  }

  /** Whether messages or changes have to be asked for. */
  get isIncomplete(): boolean {
    if (this.lastSeq === undefined || this.isPaused || this.isBehind) return false;
    return this.seenSeq > this.lastSeq || this.mayLack;
  }

  /** What to ask for; undefined while nothing was shown. `now` is the server's time if nothing is lacking yet. */
  point(now: string | undefined): ResumePoint | undefined {
    if (this.lastSeq === undefined) return undefined;
    const changedSince = this.changedSince ?? now;
    return { conversationId: this.id, seq: this.lastSeq, ...(changedSince === undefined ? {} : { changedSince }) };
  }

  /** Starts after `point.seq`, unless it is further already. The other way out of `behind`. */
  follow({ seq, changedSince }: ResumePoint): void {
    if (this.lastSeq !== undefined && !this.isBehind && seq <= this.lastSeq) return;
    this.lastSeq = Math.max(seq, this.lastSeq ?? 0);
    this.isBehind = false;
    this.mayLack = true;
    this.changedSince = changedSince ?? this.changedSince;
    for (const heldSeq of this.held.keys()) if (heldSeq <= this.lastSeq) this.held.delete(heldSeq);
    this.show();
  }

  /** `now`: the server's time, as far as known. */
  receive({ type, seq, message }: MessageFrame, now: string | undefined): void {
    const isCreated = type === 'message.created';
    if (isCreated) this.lastSeq ??= seq - 1;
    if (this.lastSeq !== undefined && seq > this.lastSeq) {
      this.hold(seq, isCreated, message);
      this.show();
      return;
    }
    // A repeated `created` may bring a change whose own frame was missed.
    if (!this.versions.isNewer(message.id, message.version)) return;
    if (!this.reader.hasRoom(this.id)) {
      this.isPaused = true;
      this.lackSince(now);
      return;
    }
    this.pass(isCreated ? changeOf(message) : kinds[type], seq, message);
  }

  /** The server says that there are messages up to `seq`. Of an unknown conversation it is the first that is heard: its newest message is shown. */
  head(seq: number): void {
    if (seq === 0) return;
    this.lastSeq ??= seq - 1;
    this.seenSeq = Math.max(this.seenSeq, seq);
  }

  /** The connection is gone: changes from now on are missed, also of what is held, which is asked for again. */
  lost(now: string | undefined): void {
    this.held.clear();
    if (this.lastSeq !== undefined) this.lackSince(now);
  }

  /** A request for what is missing goes out. */
  asked(): void {
    this.mayLack = false;
  }

  /** The request was answered in full. */
  answered(): void {
    if (!this.mayLack) this.changedSince = undefined;
  }

  /** The request failed or got no answer. */
  unanswered(): void {
    this.mayLack = true;
  }

  /** Too much is missing to be sent: nothing is shown until `follow` gives a new place. */
  fellBehind(): void {
    this.isBehind = true;
    this.held.clear();
  }

  /** There is room again. */
  proceed(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.show();
  }

  private hold(seq: number, created: boolean, message: Message): void {
    this.seenSeq = Math.max(this.seenSeq, seq);
    // A change was shown before the conversation was known, and this is the message as it was: asking brings it as it is.
    if (this.isBehind || this.versions.isStale(message.id, message.version)) return;
    const held = this.held.get(seq);
    if (held !== undefined) {
      held.created ||= created;
      if (message.version > held.message.version) held.message = message;
      return;
    }
    this.held.set(seq, { created, message });
    if (this.held.size > MAX_HELD) this.held.delete(Math.max(...this.held.keys()));
  }

  /** Shows what is in order now. */
  private show(): void {
    while (this.lastSeq !== undefined && !this.isBehind) {
      const seq = this.lastSeq + 1;
      const next = this.held.get(seq);
      if (next?.created !== true) return;
      if (!this.reader.hasRoom(this.id)) {
        this.isPaused = true;
        return;
      }
      this.held.delete(seq);
      this.lastSeq = seq;
      this.pass('created', seq, next.message);
    }
  }

  private pass(type: Change['type'], seq: number, message: Message): void {
    this.versions.note(message.id, message.version);
    this.reader.take({ type, conversationId: this.id, seq, message });
  }

  private lackSince(now: string | undefined): void {
    this.mayLack = true;
    this.changedSince ??= now;
  }
}
