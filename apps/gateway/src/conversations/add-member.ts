import { Injectable } from '@nestjs/common';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ConversationId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';

/** Makes a user a member and announces it, so that its open sockets carry the conversation. Adding twice is fine, and announces nothing. */
@Injectable()
export class AddMember {
  constructor(
    private readonly conversations: ConversationStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** Settles with the commit. @throws ProblemError `not-found` when `actor` is not a member, and what the store throws. */
  async execute(id: ConversationId, actor: UserId, userId: UserId, headers: EventHeaders): Promise<void> {
    const added = await this.conversations.addMember(id, actor, userId, headers);
    if (added === undefined) throw new ProblemError('not-found', 'There is no such conversation.');
    if (added.event !== undefined) this.relay.publishSoon(added.event, headers);
  }
}
