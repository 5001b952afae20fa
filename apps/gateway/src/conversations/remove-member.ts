import { Injectable } from '@nestjs/common';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ConversationId, UserId } from '#lib/contracts/ids';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';

/** Removes a member and announces it, so that its open sockets get nothing more. Removing twice is fine, and announces nothing. */
@Injectable()
export class RemoveMember {
  constructor(
    private readonly conversations: ConversationStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** Settles with the commit. Throws what the store throws. */
  async execute(id: ConversationId, actor: UserId, userId: UserId, headers: EventHeaders): Promise<void> {
    const { event } = await this.conversations.removeMember(id, actor, userId, headers);
    if (event !== undefined) this.relay.publishSoon(event, headers);
  }
}
