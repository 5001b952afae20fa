import { Injectable } from '@nestjs/common';
import type { PresenceList } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { PresencePort } from '#lib/live/presence/presence.port';

/** Who asks. */
interface Reader {
  readonly userId: UserId;
  /** Sees every user. */
  readonly isService: boolean;
}

/** Says who is online, of those that the reader may know: itself, and users in a conversation with it. Of any other it says what it says of an unknown one. */
@Injectable()
export class ShowPresence {
  constructor(
    private readonly conversations: ConversationStorePort,
    private readonly presence: PresencePort,
  ) {}

  /** One item for each user, in this order. @throws DependencyError when Postgres or Redis cannot say. */
  async execute(reader: Reader, userIds: readonly UserId[]): Promise<PresenceList> {
    const asked = [...new Set(userIds)];
    const visible = reader.isService ? asked : await this.visibleTo(reader.userId, asked);
    const known = await this.presence.of(visible);
    const items = asked.map((userId) => {
      const { online, lastSeenAt } = known.get(userId) ?? { online: false, lastSeenAt: null };
      return { userId, online, lastSeenAt: lastSeenAt?.toISOString() ?? null };
    });
    return { items };
  }

  private async visibleTo(reader: UserId, asked: readonly UserId[]): Promise<UserId[]> {
    const others = asked.filter((userId) => userId !== reader);
    const sharing = others.length === 0 ? new Set<UserId>() : await this.conversations.sharingWith(reader, others);
    return asked.filter((userId) => userId === reader || sharing.has(userId));
  }
}
