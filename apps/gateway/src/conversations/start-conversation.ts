import { Injectable } from '@nestjs/common';
import { type ConversationDraft, ConversationStorePort, type StartedConversation } from '#lib/conversations/conversation-store.port';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';

/** Starts a conversation and announces it to its members. */
@Injectable()
export class StartConversation {
  constructor(
    private readonly conversations: ConversationStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** Settles with the commit. Throws what the store throws. */
  async execute(draft: ConversationDraft): Promise<StartedConversation> {
    const started = await this.conversations.create(draft);
    if (started.event !== undefined) this.relay.publishSoon(started.event, draft.headers);
    return started;
  }
}
