import type { ConversationId, UserId } from '#lib/contracts/ids';
import type { ResumePoint } from '#lib/contracts/socket';
import { type ConversationFeedPort, MAX_USERS_AT_ONCE, type Membership } from '#lib/conversations/conversation-feed.port';
import type { SubscriptionPort } from '#lib/live/fan-out/subscription.port';
import { MAX_VISIBLE } from '#lib/conversations/limits';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import type { Logger } from '#lib/runtime/log/logger';
import { type LiveHub, type LiveSession, outgoing } from '../session/live-session.js';
import type { CatchUps } from './catch-ups.js';
import { type FollowedConversation, LocalSession, LocalUser } from './followed-conversation.js';
import type { FollowedConversations } from './followed-conversations.js';
import { type Refusal, refusalOf, refuse, strangerTo } from './refusal.js';
import { SharedReads } from './shared-reads.js';
import type { TypingSignals } from './typing-signals.js';

/** Messages that a session may catch up with; a client that lacks more reads them over REST and resumes from there. */
const MAX_MISSED = 10_000;
/** Memberships that are read for many users together; a user with more gets a statement of its own. */
const FEW_MEMBERSHIPS = 256;
/** Joins of such users that may wait; more are refused, and their clients come again. */
const MAX_LARGE_JOINS = 1_000;
/** Refused points that are told before the session is asked whether it keeps up. */
const REFUSALS_AT_ONCE = 64;
/** Conversations that one ping names; the others are in the next one. */
const MAX_HEADS = 1_000;
/** Resume frames of one session that are being checked; more are refused. */
const MAX_RESUMES_PENDING = 32;
/**
 * Subtracted from a client's `changedSince`: an older change has been told while it was connected, at the latest by the comparison of
 * every 25 s (heads-watch.ts), 10 s for its commit and 10 s for a busy machine.
 */
const CHANGES_MARGIN_MS = 45_000;
/** How far back changes are told, whatever a client asks for: a `changedSince` of 1970 would be every change that there ever was. */
const CHANGES_AGE_MS = 30 * 86_400_000;

/** What this process knows of the conversations of its sessions, and who hears what. One per process. */
export class LiveConversations implements LiveHub {
  private readonly users = new Map<UserId, LocalUser>();
  private readonly sessions = new Map<LiveSession, LocalSession>();
  private readonly memberships: SharedReads<UserId, readonly Membership[]>;
  /** One at a time, so that users with very many conversations delay one another and no other. */
  private readonly large = new Semaphore('live.large_joins', { concurrent: 1, queued: MAX_LARGE_JOINS });

  constructor(
    private readonly conversations: FollowedConversations,
    private readonly catchUps: CatchUps,
    private readonly feed: ConversationFeedPort,
    private readonly subscription: SubscriptionPort,
    private readonly typingSignals: TypingSignals,
    private readonly logger: Logger,
  ) {
    this.memberships = new SharedReads({
      name: 'live.joins',
      readAll: (userIds) => feed.memberships(userIds, FEW_MEMBERSHIPS + 1),
      size: MAX_USERS_AT_ONCE,
      concurrent: 2,
    });
  }

  /**
   * Makes a session live in all conversations of its user. Calls `welcome` when they are known, before their first frame; what the session
   * lacks after its resume points is sent in the background. The session must be left, also when this throws.
   * @throws DependencyError when Postgres cannot tell what the conversations are.
   */
  async join(session: LiveSession, resume: readonly ResumePoint[], welcome: () => void): Promise<void> {
    const local = this.enter(session);
    await this.subscription.follow({ users: [session.userId] });
    const memberships = await this.membershipsOf(local);
    if (this.isGone(local)) return;
    await this.enterConversations(local, memberships);
    const heads = await this.headsBeyond(local, resume);
    if (this.isGone(local)) return;
    // In one turn: what is committed later reaches the session, whatever it resumes.
    welcome();
    const refusals = resume.map((point) => this.begin(local, point, heads.get(point.conversationId))).filter((one) => one !== undefined);
    local.headsToldUpTo = this.conversations.lastTick;
    local.isJoined = true;
    this.catchUps.work(local);
    for (const [i, refusal] of refusals.entries()) {
      if (i % REFUSALS_AT_ONCE === 0) await session.drained();
      refuse(session, refusal);
    }
  }

  /** A client's request to catch up in one conversation. It is answered with messages and `resumed`, or an error. */
  resume(session: LiveSession, point: ResumePoint): void {
    const local = this.sessions.get(session);
    if (local === undefined) return;
    if (local.resumesPending >= MAX_RESUMES_PENDING)
      return refuse(local.session, refusalOf(point.conversationId, 'rate-limited', 'Too many resumes are being checked.'));
    local.resumesPending += 1;
    void this.check(local, point).finally(() => {
      local.resumesPending -= 1;
    });
  }

  /** Tells the others that the user is typing, every 2 s at most. */
  typing(session: LiveSession, conversationId: ConversationId): void {
    if (!this.isMember(session, conversationId)) {
      session.send(outgoing(strangerTo(conversationId)));
      return;
    }
    this.typingSignals.send(conversationId, session.userId);
  }

  /** Newest `seq` of the conversations of this session that had messages since the last call; undefined when there were none. */
  headsFor(session: LiveSession): Record<ConversationId, number> | undefined {
    const local = this.sessions.get(session);
    if (local === undefined || local.headsToldUpTo === this.conversations.lastTick) return undefined;
    const news = [...local.user.conversations]
      .filter((conversation) => conversation.lastTick > local.headsToldUpTo && !local.catchUps.has(conversation))
      .sort((one, other) => one.lastTick - other.lastTick)
      .slice(0, MAX_HEADS);
    local.headsToldUpTo = news.length < MAX_HEADS ? this.conversations.lastTick : (news.at(-1)?.lastTick ?? 0);
    return news.length === 0 ? undefined : Object.fromEntries(news.map(({ id, head }) => [id, head]));
  }

  /** Whether the session's user is a member, as far as this process knows. */
  isMember(session: LiveSession, conversationId: ConversationId): boolean {
    const local = this.sessions.get(session);
    return local !== undefined && this.conversationOf(local, conversationId) !== undefined;
  }

  /** The session has ended. What only it needed is let go. */
  leave(session: LiveSession): void {
    const local = this.sessions.get(session);
    if (local === undefined) return;
    const { user } = local;
    this.sessions.delete(session);
    user.sessions.delete(local);
    local.catchUps.clear();
    if (user.sessions.size > 0) return;
    this.users.delete(user.id);
    this.subscription.unfollow({ users: [user.id] });
    for (const conversation of user.conversations) conversation.remove(user);
  }

  /**
   * A user of this process became a member. Its sessions get what came after `headSeq`; undefined: after the moment at which it did, as
   * Postgres knows it. Nothing is sent before Postgres has confirmed it.
   */
  joined(userId: UserId, conversationId: ConversationId, headSeq: number | undefined): void {
    const user = this.users.get(userId);
    if (user === undefined) return;
    this.enterLater(user, conversationId, { fromSeq: headSeq, isResume: false });
  }

  /** The open sessions of a user of this process. */
  sessionsOf(userId: UserId): Iterable<LiveSession> {
    return [...(this.users.get(userId)?.sessions ?? [])].filter(({ isJoined }) => isJoined).map(({ session }) => session);
  }

  /** Users with sessions here. */
  userIds(): UserId[] {
    return [...this.users.keys()];
  }

  private enter(session: LiveSession): LocalSession {
    const user = this.users.get(session.userId) ?? new LocalUser(session.userId);
    this.users.set(user.id, user);
    const local = new LocalSession(session, user);
    this.sessions.set(session, local);
    user.sessions.add(local);
    return local;
  }

  private isGone({ session }: LocalSession): boolean {
    return session.isClosed || !this.sessions.has(session);
  }

  private conversationOf({ user }: LocalSession, id: ConversationId): FollowedConversation | undefined {
    const conversation = this.conversations.get(id);
    return conversation?.members.has(user) === true ? conversation : undefined;
  }

  private async membershipsOf(local: LocalSession): Promise<readonly Membership[]> {
    const { id } = local.user;
    const few = (await this.memberships.read(id)) ?? [];
    if (few.length <= FEW_MEMBERSHIPS) return few;
    // Users in turn; and nothing is read for a client that gave up waiting, or those that come again would wait for it, too.
    return this.large.run(async () => (this.isGone(local) ? [] : this.feed.allMemberships(id)), { caller: id });
  }

  private async enterConversations(local: LocalSession, memberships: readonly Membership[]): Promise<void> {
    const { user } = local;
    const hasOthers = [...user.sessions].some(({ isJoined }) => isJoined);
    const before = new Set(user.conversations);
    for (const { conversationId, membersVersion } of memberships) {
      const known = this.conversations.get(conversationId);
      if (known?.members.has(user) === true) before.delete(known);
      // Its other sessions have not heard of it: the signal was lost. They catch up.
      else if (hasOthers) this.joined(user.id, conversationId, undefined);
      else this.conversations.getOrCreate(conversationId).add(user, membersVersion);
    }
    for (const conversation of before) conversation.outdated(); // known here, not found there: perhaps removed
    await this.conversations.load([...user.conversations].filter(({ isLoaded }) => !isLoaded));
  }

  /** Heads in Postgres of those conversations of which the client has more than this process has sent. */
  private async headsBeyond(local: LocalSession, points: readonly ResumePoint[]): Promise<ReadonlyMap<ConversationId, number>> {
    const ahead = points.filter(({ conversationId, seq }) => seq > (this.conversationOf(local, conversationId)?.head ?? seq));
    const states = await Promise.all(ahead.map(({ conversationId }) => this.conversations.stateOf(conversationId)));
    return new Map(states.flatMap((state) => (state === undefined ? [] : [[state.id, state.headSeq]])));
  }

  private async check(local: LocalSession, point: ResumePoint): Promise<void> {
    const { conversationId, seq } = point;
    try {
      const conversation = this.conversationOf(local, conversationId);
      if (conversation === undefined && !(await this.isMemberInPostgres(local, conversationId))) {
        refuse(local.session, strangerTo(conversationId));
        return;
      }
      const isAhead = conversation === undefined || seq > conversation.head;
      const state = isAhead ? await this.conversations.stateOf(conversationId) : undefined;
      const refusal = this.isGone(local) ? undefined : this.begin(local, point, state?.headSeq);
      if (refusal !== undefined) refuse(local.session, refusal);
    } catch (error) {
      this.logger.debug({ error, conversationId }, 'a resume point could not be checked');
      refuse(local.session, refusalOf(conversationId, 'dependency-unavailable', 'Try again in a moment.'));
    }
  }

  /** The signal that says so may be on its way. */
  private async isMemberInPostgres(local: LocalSession, conversationId: ConversationId): Promise<boolean> {
    const found = await this.feed.members(conversationId, [local.user.id]);
    if (found?.memberIds.has(local.user.id) !== true) return false;
    if (!this.isGone(local)) this.joined(local.user.id, conversationId, undefined);
    return true;
  }

  /** @returns why not. @param headInPostgres when the point is beyond the head that this process knows. */
  private begin(local: LocalSession, point: ResumePoint, headInPostgres: number | undefined): Refusal | undefined {
    const { conversationId, seq, changedSince } = point;
    const conversation = this.conversationOf(local, conversationId);
    if (conversation === undefined) return strangerTo(conversationId);
    const head = Math.max(headInPostgres ?? 0, conversation.head);
    if (seq > head) return refusalOf(conversationId, 'validation', `The newest message is ${head}.`);
    if (head - seq > MAX_MISSED) {
      return refusalOf(
        conversationId,
        'validation',
        `More than ${MAX_MISSED} messages are missing: read them page by page, then resume from the last.`,
      );
    }
    // The client has more than this process has sent: the others get it from Postgres.
    conversation.fill(seq);
    this.catchUps.begin(local, conversation, {
      fromSeq: seq,
      isResume: true,
      changedSince: changedSince === undefined ? undefined : lookBackFrom(changedSince),
    });
    return undefined;
  }

  private enterLater(user: LocalUser, id: ConversationId, start: { fromSeq: number | undefined; isResume: false }): void {
    const known = this.conversations.get(id);
    if (known?.members.has(user) === true || user.conversations.size >= MAX_VISIBLE) return;
    const conversation = known ?? this.conversations.getOrCreate(id);
    conversation.add(user, -1);
    for (const local of user.sessions) this.catchUps.begin(local, conversation, start);
    if (known === undefined) void this.conversations.loadPersistently(conversation);
  }
}

const lookBackFrom = (changedSince: string): Date =>
  new Date(Math.max(Date.parse(changedSince) - CHANGES_MARGIN_MS, Date.now() - CHANGES_AGE_MS));
