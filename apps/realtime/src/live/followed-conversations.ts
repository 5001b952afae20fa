import type { ConversationId } from '#lib/contracts/ids';
import { type ConversationFeedPort, type ConversationState, MAX_STATES_AT_ONCE } from '#lib/conversations/conversation-feed.port';
import type { SubscriptionPort } from '#lib/live/fan-out/subscription.port';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import type { Logger } from '#lib/runtime/log/logger';
import type { CatchUps } from './catch-ups.js';
import { type ConversationDuties, FollowedConversation, type LocalSession } from './followed-conversation.js';
import { persistently } from './retry.js';
import { SentChanges } from './sent-changes.js';
import { SharedReads } from './shared-reads.js';

/** Comparisons of members at once: a thousand conversations may be outdated at one moment. */
const CONCURRENT_CHECKS = 4;
const QUEUED = 100_000;
/** Statements at once that read states of up to a thousand conversations. */
const CONCURRENT_READS = 2;

/** All conversations that have members with sockets on this process. It follows what they need and lets go what no member needs any more. */
export class FollowedConversations implements ConversationDuties {
  readonly sentChanges = new SentChanges();
  private readonly conversations = new Map<ConversationId, FollowedConversation>();
  private readonly checks = new Semaphore('live.members', { concurrent: CONCURRENT_CHECKS, queued: QUEUED });
  private readonly loading = new Map<FollowedConversation, Promise<void>>();
  private readonly states: SharedReads<ConversationId, ConversationState>;
  private tick = 0;

  constructor(
    private readonly feed: ConversationFeedPort,
    private readonly subscription: SubscriptionPort,
    private readonly catchUps: CatchUps,
    private readonly logger: Logger,
  ) {
    this.states = new SharedReads({
      name: 'live.states',
      readAll: async (ids) => new Map((await feed.states(ids)).map((state) => [state.id, state])),
      size: MAX_STATES_AT_ONCE,
      concurrent: CONCURRENT_READS,
    });
  }

  get(id: ConversationId): FollowedConversation | undefined {
    return this.conversations.get(id);
  }

  /** Those that are followed now. */
  ids(): ConversationId[] {
    return [...this.conversations.keys()];
  }

  /** The conversation, followed from now on; it must get a member in the same turn, and be loaded when it is not. */
  getOrCreate(id: ConversationId): FollowedConversation {
    const known = this.conversations.get(id);
    if (known !== undefined) return known;
    const created = new FollowedConversation(id, this);
    this.conversations.set(id, created);
    return created;
  }

  /**
   * Follows these conversations, then reads their heads: what is committed afterwards arrives as a signal.
   * @throws DependencyError when Postgres cannot; those that are not loaded then stay so, and nothing of them is sent.
   */
  async load(conversations: readonly FollowedConversation[]): Promise<void> {
    const fresh = conversations.filter((conversation) => !this.loading.has(conversation));
    if (fresh.length > 0) {
      const loading = this.followAndRead(fresh);
      for (const conversation of fresh) this.loading.set(conversation, loading);
      const end = () => {
        for (const conversation of fresh) this.loading.delete(conversation);
      };
      loading.then(end, end);
    }
    const loadings = new Set(conversations.flatMap((conversation) => this.loading.get(conversation) ?? []));
    await Promise.all(loadings);
  }

  /** As {@link load}, trying again while Postgres is away. Never rejects. */
  async loadPersistently(conversation: FollowedConversation): Promise<void> {
    const isWanted = () => this.conversations.get(conversation.id) === conversation && !conversation.isLoaded;
    await persistently(this.logger, isWanted, () => this.load([conversation]));
  }

  /** State of a conversation, read from now on. Undefined: there is none. @throws DependencyError. */
  stateOf(id: ConversationId): Promise<ConversationState | undefined> {
    return this.states.read(id);
  }

  /** Takes all members out, and so lets it go. */
  forget(conversation: FollowedConversation): void {
    for (const user of conversation.members) conversation.remove(user);
  }

  checkMembers(conversation: FollowedConversation): void {
    void this.check(conversation);
  }

  catchUp(local: LocalSession, conversation: FollowedConversation, from: { fromSeq: number; mayLackChanges: boolean }): void {
    this.catchUps.begin(local, conversation, { fromSeq: from.fromSeq, isResume: false });
    if (from.mayLackChanges) local.catchUps.get(conversation)?.lackChanges();
  }

  letGo(conversation: FollowedConversation): void {
    if (this.conversations.get(conversation.id) !== conversation) return;
    this.conversations.delete(conversation.id);
    this.subscription.unfollow({ conversations: [conversation.id] });
  }

  nextTick(): number {
    this.tick += 1;
    return this.tick;
  }

  get lastTick(): number {
    return this.tick;
  }

  private async followAndRead(conversations: readonly FollowedConversation[]): Promise<void> {
    await this.subscription.follow({ conversations: conversations.map(({ id }) => id) });
    const states = await Promise.all(conversations.map(({ id }) => this.states.read(id)));
    for (const [i, conversation] of conversations.entries()) {
      const state = states[i];
      if (state === undefined) this.forget(conversation);
      else conversation.known(state.headSeq, state.membersVersion);
    }
  }

  private async check(conversation: FollowedConversation): Promise<void> {
    const isWanted = () => conversation.members.size > 0;
    let asked = new Set(conversation.members);
    const found = await persistently(this.logger, isWanted, () =>
      this.checks.run(() => {
        asked = new Set(conversation.members);
        return this.feed.members(
          conversation.id,
          [...asked].map(({ id }) => id),
        );
      }),
    );
    if (!isWanted()) return;
    if (found === undefined) this.forget(conversation);
    else conversation.membersChecked(asked, found.memberIds, found.membersVersion);
  }
}
