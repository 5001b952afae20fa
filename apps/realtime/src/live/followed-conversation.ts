import type { ConversationId, UserId } from '#lib/contracts/ids';
import type { ConversationSignal, MessageSignal } from '#lib/contracts/live';
import type { ServerFrameType } from '#lib/contracts/socket';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { LiveSession, OutgoingFrame } from '../session/live-session.js';
import type { CatchUp } from './catch-up.js';
import { HeldSignals, type HeldSignal, type MemberSignal } from './held-signals.js';
import { refuse, strangerTo } from './refusal.js';
import { recordDelivery } from './record-delivery.js';
import type { SentChanges } from './sent-changes.js';

/** A user with open sockets on this process. What its sockets share is kept once. */
export class LocalUser {
  readonly sessions = new Set<LocalSession>();
  /** Those that it is a member of, as far as this process knows. */
  readonly conversations = new Set<FollowedConversation>();

  constructor(readonly id: UserId) {}
}

/** One open socket. It is live in each conversation of its user, but those that it is catching up with. */
export class LocalSession {
  /** Whether its conversations are known; before, nothing of them is sent. */
  isJoined = false;
  readonly catchUps = new Map<FollowedConversation, CatchUp>();
  /** Whether its catch-ups are being worked on. */
  isCatchingUp = false;
  /** Checks of resume points that are under way. */
  resumesPending = 0;
  /** Up to which message of this process, counted over all conversations, its pings have told the heads. */
  headsToldUpTo = 0;

  constructor(
    readonly session: LiveSession,
    readonly user: LocalUser,
  ) {}
}

/** What a conversation needs of the process around it. */
export interface ConversationDuties {
  readonly sentChanges: SentChanges;
  /** Asks Postgres who of the local users is a member, as long as it takes, and calls `membersChecked`. */
  checkMembers(conversation: FollowedConversation): void;
  /** Sends a session the messages after `fromSeq`, at its own pace. `mayLackChanges`: edits of earlier ones were missed, too. */
  catchUp(local: LocalSession, conversation: FollowedConversation, from: { fromSeq: number; mayLackChanges: boolean }): void;
  /** The last local member has gone. */
  letGo(conversation: FollowedConversation): void;
  /** Counts what happens in all conversations of this process. */
  nextTick(): number;
}

/** In this time a signal that was overtaken by another one usually comes. */
const REORDER_MS = 20;

/** Typing is told to so many local users of a large conversation per millisecond, a tenth of what a process can send: with 10,000, twice a second. */
const TYPING_PER_MS = 20;
/** With fewer local users all of it is told. */
const LARGE = 100;

/**
 * A conversation that has members with sockets here. It decides what goes out to the sessions that are live in it, in which order, and to whom.
 *
 *              known(head)              membersVersion is outdated
 *   loading ────────────────▶  open  ──────────────────────────────▶  checking
 *                              │  ▲ ◀──────────────────────────────      │  nothing is sent; signals are held
 *         a seq is missing     │  │     membersChecked()
 *                              ▼  │
 *                           waiting 20 ms ── still missing ──▶ head jumps; each live session catches up from where it stands
 *
 * `head` is the newest message that every live session has been sent. What a session that is not live lacks is its CatchUp's business.
 */
export class FollowedConversation {
  readonly members = new Set<LocalUser>();
  head = 0;
  /** Version of the members that `members` was last compared with; -1: never. */
  membersVersion = -1;
  /** Another one after each edit and deletion, and each time that it is followed: what was read under an older one may be outdated. */
  generation: number;
  /** Counts at which its newest message went out; see ConversationDuties.nextTick. */
  lastTick = 0;
  /** `head` of Postgres when the heads were last compared. */
  expectedHead = 0;
  /** `performance.now()` when typing may be told again: it is worth less than messages. */
  private typingAt = 0;
  private isKnown = false;
  private isChecking = false;
  /** The members must be compared (again) once the present comparison, or loading, is over. */
  private isOutdated = false;
  /** Newest version of the members that was heard of since the last comparison began: only an older answer is not good enough. */
  private heardVersion = -1;
  /** Oldest version as of which a member came since then: it was not asked for, which matters only to a newer answer. */
  private unaskedVersion = Number.POSITIVE_INFINITY;
  private held: HeldSignals | undefined;
  private timer: NodeJS.Timeout | undefined;
  private opening: PromiseWithResolvers<void> | undefined;

  constructor(
    readonly id: ConversationId,
    private readonly duties: ConversationDuties,
  ) {
    this.generation = duties.nextTick();
  }

  /** Whether anything may be sent now. */
  get isOpen(): boolean {
    return this.isKnown && !this.isChecking;
  }

  get isLoaded(): boolean {
    return this.isKnown;
  }

  /** Settles when something may be sent, or when the conversation was let go. */
  async opened(): Promise<void> {
    if (this.isOpen || this.members.size === 0) return;
    this.opening ??= Promise.withResolvers();
    await this.opening.promise;
  }

  /** Head and version of the members as Postgres had them after the conversation was followed. */
  known(head: number, membersVersion: number): void {
    if (this.isKnown) return;
    this.head = head;
    this.expectedHead = head;
    this.isKnown = true;
    if (this.membersVersion < 0) this.membersVersion = membersVersion;
    if (membersVersion > this.membersVersion) this.isOutdated = true;
    if (this.mustCheck) this.check();
    else this.open();
  }

  /** A local user who is a member as of that version; -1: it is to be checked before anything is sent. */
  add(user: LocalUser, membersVersion: number): void {
    this.members.add(user);
    user.conversations.add(this);
    if (this.membersVersion < 0 && !this.isKnown) this.membersVersion = membersVersion;
    if (membersVersion === this.membersVersion && membersVersion >= 0 && !this.isChecking) return;
    this.unaskedVersion = Math.min(this.unaskedVersion, membersVersion);
    this.outdated(membersVersion);
  }

  /** The user is no member any more, or has no socket here any more. */
  remove(user: LocalUser): void {
    this.members.delete(user);
    user.conversations.delete(this);
    for (const local of user.sessions) this.endCatchUp(local);
    if (this.members.size > 0) return;
    clearTimeout(this.timer);
    this.held = undefined;
    this.opening?.resolve();
    this.duties.letGo(this);
  }

  /** There is nothing to catch up with any more. A client that waits for the answer to its resume gets one. */
  endCatchUp(local: LocalSession): void {
    if (local.catchUps.get(this)?.start.isResume === true) refuse(local.session, strangerTo(this.id));
    local.catchUps.delete(this);
  }

  /** The members may have changed: nothing is sent before they are compared. @param toVersion of which it was heard; undefined: it is not known. */
  outdated(toVersion?: number): void {
    if (toVersion === undefined) this.isOutdated = true;
    else this.heardVersion = Math.max(this.heardVersion, toVersion);
    if (this.isKnown && !this.isChecking) this.check();
  }

  /** As Postgres has it: who of the local users is a member; of `asked` the others are removed. */
  membersChecked(asked: ReadonlySet<LocalUser>, memberIds: ReadonlySet<UserId>, membersVersion: number): void {
    this.membersVersion = Math.max(this.membersVersion, membersVersion);
    for (const user of asked) if (this.members.has(user) && !memberIds.has(user.id)) this.remove(user);
    this.isChecking = false;
    if (this.members.size === 0) return;
    if (this.mustCheck) this.check();
    else this.open();
  }

  hear(signal: ConversationSignal): void {
    switch (signal.type) {
      case 'members':
        if (signal.membersVersion > this.membersVersion) this.outdated(signal.membersVersion);
        return;
      case 'typing':
        if (this.isOpen) this.sendTyping(signal.userId);
        return;
      // Held like a receipt: a user who was just made a member comes online while the members are compared.
      case 'presence':
      case 'receipt':
        if (this.isOpen) this.sendMemberSignal(signal);
        else this.hold(signal);
        return;
      case 'message':
        this.hearMessage(signal);
        return;
      default:
        return signal satisfies never;
    }
  }

  /**
   * Postgres has messages up to `seq`: what the live sessions lack of them is read there, by each at its own pace, so that a long gap closes
   * no healthy socket. `mayLackChanges`: edits and deletions of what they have were missed, too.
   */
  fill(seq: number, { mayLackChanges = false } = {}): void {
    if (!this.isKnown || (seq <= this.head && !mayLackChanges)) return;
    metrics.liveGaps.inc();
    const from = { fromSeq: this.head, mayLackChanges };
    this.head = Math.max(this.head, seq);
    this.nameHeadInPings();
    for (const local of this.sessions()) {
      const catchUp = local.catchUps.get(this); // one that is under way reads up to the new head anyway
      if (catchUp === undefined) this.duties.catchUp(local, this, from);
      else if (mayLackChanges) catchUp.lackChanges();
    }
  }

  private get mustCheck(): boolean {
    return this.isOutdated || this.heardVersion > this.membersVersion || this.unaskedVersion < this.membersVersion;
  }

  /** The next ping of each session names the head, as after a message. */
  nameHeadInPings(): void {
    this.lastTick = this.duties.nextTick();
  }

  private check(): void {
    this.isOutdated = false;
    this.heardVersion = -1;
    this.unaskedVersion = Number.POSITIVE_INFINITY;
    this.isChecking = true;
    this.duties.checkMembers(this);
  }

  private open(): void {
    this.releaseHeld();
    this.opening?.resolve();
    this.opening = undefined;
  }

  private hearMessage(signal: MessageSignal): void {
    if (signal.change !== 'created') this.generation = this.duties.nextTick();
    if (signal.membersVersion > this.membersVersion) this.outdated(signal.membersVersion);
    const headBefore = this.head;
    if (!this.isOpen) this.hold(signal);
    else if (!this.send(signal)) this.waitFor(signal);
    else if (this.head > headBefore) this.releaseHeld();
  }

  private hold(signal: HeldSignal): void {
    this.held ??= new HeldSignals();
    this.held.add(signal);
  }

  private waitFor(signal: HeldSignal): void {
    this.hold(signal);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      if (this.isOpen) this.giveUpWaiting();
    }, REORDER_MS);
    if (this.held?.hasOverflown === true) this.giveUpWaiting();
  }

  /** What waits is in Postgres, in this version or a newer one. */
  private giveUpWaiting(): void {
    const held = this.held;
    this.held = undefined;
    if (held === undefined) return;
    const { newestSeq, hasOverflown } = held;
    const signals = held.take();
    this.fill(newestSeq, { mayLackChanges: hasOverflown });
    for (const signal of signals) {
      if (signal.type !== 'message') this.sendMemberSignal(signal);
      // To be told after the page that a session is being sent: it may have been read before.
      else if (signal.change !== 'created') this.send(signal);
    }
  }

  /** Sends what has become possible; the rest goes on waiting. */
  private releaseHeld(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const held = this.held;
    if (held === undefined) return;
    if (held.hasOverflown) {
      this.giveUpWaiting();
      return;
    }
    this.held = undefined;
    const waiting = held.take().filter((signal) => !(signal.type === 'message' ? this.send(signal) : this.sendMemberSignal(signal)));
    for (const signal of waiting) this.waitFor(signal);
  }

  /** @returns false when something before it is missing; nothing was done then. */
  private send(signal: MessageSignal): boolean {
    const { change, seq, messageId, version, atMs } = signal;
    if (seq > this.head + 1 || (seq > this.head && change !== 'created')) return false;
    if (change !== 'created') {
      if (this.duties.sentChanges.isNews(messageId, version)) this.sendChange(signal);
      return true;
    }
    if (seq <= this.head) return true;
    this.head = seq;
    this.lastTick = this.duties.nextTick();
    const startedAt = signal.trace === undefined ? 0 : performance.now();
    this.broadcast({ type: 'message.created', bytes: Buffer.from(signal.frame) });
    if (signal.trace !== undefined) this.trace(signal, signal.trace, startedAt);
    metrics.timeToDelivered.observe(Math.max(0, Date.now() - atMs) / 1_000);
    return true;
  }

  private trace({ messageId, change }: MessageSignal, trace: string, startedAt: number): void {
    let sockets = 0;
    for (const local of this.sessions()) if (!local.catchUps.has(this)) sockets += 1;
    const attributes = { 'app.conversation_id': this.id, 'app.message_id': messageId };
    recordDelivery(`message.${change}`, trace, { startedAt, sockets, attributes });
  }

  private sendChange(signal: MessageSignal): void {
    const frame: OutgoingFrame = { type: `message.${signal.change}`, bytes: Buffer.from(signal.frame) };
    for (const local of this.sessions()) {
      const catchUp = local.catchUps.get(this);
      if (catchUp === undefined) local.session.send(frame);
      else catchUp.note(frame, signal.atMs);
    }
  }

  private sendMemberSignal(signal: MemberSignal): true {
    const { type, userId } = signal;
    if (type === 'presence') this.sendToOthers(userId, 'presence', { userId, online: signal.online });
    else {
      const { deliveredSeq, readSeq } = signal;
      this.broadcast(frameOf('receipt', { conversationId: this.id, userId, deliveredSeq, readSeq }), { isAboutMessages: false });
    }
    return true;
  }

  private sendTyping(userId: UserId): void {
    const now = performance.now();
    if (this.members.size >= LARGE && now < this.typingAt) return;
    this.typingAt = now + this.members.size / TYPING_PER_MS;
    this.sendToOthers(userId, 'typing', { conversationId: this.id, userId });
  }

  private sendToOthers(userId: UserId, type: 'typing' | 'presence', facts: object): void {
    const frame = frameOf(type, facts);
    for (const user of this.members) {
      if (user.id === userId) continue;
      for (const local of user.sessions) if (local.isJoined) local.session.send(frame);
    }
  }

  private broadcast(frame: OutgoingFrame, { isAboutMessages = true } = {}): void {
    for (const user of this.members) {
      for (const local of user.sessions) {
        if (local.isJoined && !(isAboutMessages && local.catchUps.has(this))) local.session.send(frame);
      }
    }
  }

  private *sessions(): Generator<LocalSession> {
    for (const user of this.members) for (const local of user.sessions) if (local.isJoined) yield local;
  }
}

const frameOf = (type: ServerFrameType, facts: object): OutgoingFrame => ({ type, bytes: Buffer.from(JSON.stringify({ type, ...facts })) });
