import type { ConversationFeedPort } from '#lib/conversations/conversation-feed.port';
import type { ConversationPost, FanOutPort } from '#lib/live/fan-out/fan-out.port';
import type { PresenceChange, PresencePort } from '#lib/live/presence/presence.port';
import { DependencyError } from '#lib/resilience/call/errors';
import type { Logger } from '#lib/runtime/log/logger';

/** Users whose audiences are read in one statement. */
const USERS_AT_ONCE = 32;
/** Changes that may wait; of more, the oldest are not told: who asks for the presence of a user gets the truth. */
const MAX_WAITING = 10_000;

/** Tells the conversations of a user that it came or went. Best effort. */
export class PresenceSignals {
  /** By user, the newest change of each. */
  private readonly waiting = new Map<string, PresenceChange>();
  private isWorking = false;

  constructor(
    private readonly feed: ConversationFeedPort,
    private readonly fanOut: FanOutPort,
    private readonly logger: Logger,
  ) {}

  /** Takes the changes that this process is to tell the others of. */
  follow(presence: PresencePort): void {
    presence.onChange((changes) => {
      for (const change of changes) {
        this.waiting.delete(change.userId);
        this.waiting.set(change.userId, change);
      }
      for (const userId of this.waiting.keys()) {
        if (this.waiting.size <= MAX_WAITING) break;
        this.waiting.delete(userId);
      }
      if (!this.isWorking) void this.work();
    });
  }

  private async work(): Promise<void> {
    this.isWorking = true;
    while (this.waiting.size > 0) {
      const changes = [...this.waiting.values()].slice(0, USERS_AT_ONCE);
      for (const { userId } of changes) this.waiting.delete(userId);
      try {
        await this.tell(changes);
      } catch (error) {
        if (!(error instanceof DependencyError)) this.logger.error({ error }, 'presence could not be told');
      }
    }
    this.isWorking = false;
  }

  private async tell(changes: readonly PresenceChange[]): Promise<void> {
    const audiences = await this.feed.audiences(changes.map(({ userId }) => userId));
    const posts: ConversationPost[] = changes.flatMap(({ userId, online }) =>
      (audiences.get(userId) ?? []).map((conversationId) => ({ conversationId, signals: [{ type: 'presence' as const, userId, online }] })),
    );
    if (posts.length > 0) await this.fanOut.publish(posts);
  }
}
