import type { ConversationId } from '#lib/contracts/ids';
import { type ConversationFeedPort, MAX_STATES_AT_ONCE } from '#lib/conversations/conversation-feed.port';
import type { SubscriptionPort } from '#lib/live/fan-out/subscription.port';
import { DependencyError } from '#lib/resilience/call/errors';
import type { Logger } from '#lib/runtime/log/logger';
import type { FollowedConversations } from './followed-conversations.js';
import { changeFrame } from './history-reader.js';
import type { LiveConversations } from './live-conversations.js';

/** Pauses between comparisons, in milliseconds. */
export interface WatchTimes {
  /** While signals arrive: a removed member hears nothing more 5 s after its removal, also when the signal was lost. */
  readonly liveMs: number;
  /** While they do not: Postgres is then where all messages come from. */
  readonly lostMs: number;
  /** Between two looks for edits and deletions while signals arrive. */
  readonly changesMs: number;
}

export const WATCH_TIMES: WatchTimes = { liveMs: 4_000, lostMs: 2_000, changesMs: 25_000 };

/** What commits while a comparison runs, or a little earlier than its time says, is found by the next one. */
const OVERLAP_MS = 10_000;

const NO_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Compares what this process has sent with Postgres, because signals may be lost.
 *
 *   live (every 4 s)  ──onLost──▶  lost (at once, then every 2 s)  ──onRestored──▶  once more as lost, then live
 *
 * Lost: what is behind is read at once. Live: what was behind at the last comparison and still is; signals need a moment.
 * Both: members that were added or removed; edits and deletions, live only every 25 s. One timer, whatever the number of sockets.
 */
export class HeadsWatch {
  private timer: NodeJS.Timeout | undefined;
  private isRunning = false;
  private isStopped = false;
  /** The next comparison is as if signals were lost: some have been. */
  private trustsPostgres = true;
  private mustRunAgain = false;
  private since: Date | undefined;
  private changesSince: Date | undefined;
  private changesDueAt = 0;

  constructor(
    private readonly conversations: FollowedConversations,
    private readonly live: LiveConversations,
    private readonly feed: ConversationFeedPort,
    private readonly subscription: SubscriptionPort,
    private readonly logger: Logger,
    private readonly times: WatchTimes = WATCH_TIMES,
  ) {}

  start(): void {
    this.schedule();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  /** Signals are missed from now on, or have been until now: compares at once. */
  compareNow(): void {
    this.trustsPostgres = true;
    this.mustRunAgain = true;
    void this.run();
  }

  private schedule(): void {
    if (this.isStopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.run(), this.subscription.isLive ? this.times.liveMs : this.times.lostMs);
    this.timer.unref();
  }

  private async run(): Promise<void> {
    if (this.isRunning || this.isStopped) return;
    this.isRunning = true;
    do {
      this.mustRunAgain = false;
      try {
        await this.compare();
      } catch (error) {
        // Postgres is away: the next comparison finds what this one did not.
        this.trustsPostgres = true;
        if (!(error instanceof DependencyError)) this.logger.error({ error }, 'heads could not be compared');
      }
    } while (this.mustRunAgain && !this.isStopped);
    this.isRunning = false;
    this.schedule();
  }

  private async compare(): Promise<void> {
    const isLost = this.trustsPostgres || !this.subscription.isLive;
    this.trustsPostgres = false;
    const ids = this.conversations.ids();
    const at = await this.findJoinings();
    for (const some of chunks(ids)) await this.compareHeads(some, isLost);
    const now = performance.now();
    if (!isLost && now < this.changesDueAt) return;
    const since = this.changesSince ?? new Date(at.getTime() - OVERLAP_MS);
    for (const some of chunks(ids)) await this.findChanges(some, since);
    this.changesSince = new Date(at.getTime() - OVERLAP_MS);
    this.changesDueAt = now + this.times.changesMs;
  }

  /** @returns the time of Postgres. */
  private async findJoinings(): Promise<Date> {
    const { joinings, at } = await this.feed.joinings(this.live.userIds(), this.since);
    for (const { userId, conversationId } of joinings) this.live.joined(userId, conversationId, undefined);
    this.since = new Date(at.getTime() - OVERLAP_MS);
    return at;
  }

  private async compareHeads(ids: readonly ConversationId[], isLost: boolean): Promise<void> {
    for (const { id, headSeq, membersVersion } of await this.feed.states(ids)) {
      const conversation = this.conversations.get(id);
      if (conversation === undefined) continue;
      if (!conversation.isLoaded) {
        // Its load may have failed with the session that began it, while others are members, too.
        void this.conversations.loadPersistently(conversation);
        continue;
      }
      if (membersVersion > conversation.membersVersion) conversation.outdated(membersVersion);
      conversation.fill(isLost ? headSeq : Math.min(conversation.expectedHead, headSeq));
      conversation.expectedHead = headSeq;
    }
  }

  private async findChanges(ids: readonly ConversationId[], since: Date): Promise<void> {
    for (let after: { at: Date; id: string } | undefined = { at: since, id: NO_ID }; after !== undefined; ) {
      const { messages, next } = await this.feed.changes(ids, { after });
      for (const message of messages) {
        const conversation = this.conversations.get(message.conversationId);
        conversation?.hear({
          type: 'message',
          change: message.deletedAt === undefined ? 'edited' : 'deleted',
          messageId: message.id,
          seq: message.seq,
          version: message.version,
          membersVersion: conversation.membersVersion,
          atMs: (message.deletedAt ?? message.editedAt ?? message.createdAt).getTime(),
          frame: changeFrame(message).bytes.toString(),
        });
      }
      after = next;
    }
  }
}

const chunks = (ids: readonly ConversationId[]): ConversationId[][] =>
  Array.from({ length: Math.ceil(ids.length / MAX_STATES_AT_ONCE) }, (_, i) =>
    ids.slice(i * MAX_STATES_AT_ONCE, (i + 1) * MAX_STATES_AT_ONCE),
  );
