import { Injectable } from '@nestjs/common';
import type { MessageDraft, StoredMessage } from '#lib/conversations/message';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { EmbedNow } from './embed-now.js';

/** Commits a message with its sequence number and its event, then lets the relay publish it (R001-R003). */
@Injectable()
export class StoreMessage {
  constructor(
    private readonly messages: MessageStorePort,
    private readonly relay: OutboxRelay,
    private readonly embedNow: EmbedNow,
  ) {}

  /**
   * Settles with the commit; for high priority when the vectors are there or 2 s are over. RabbitMQ never makes it fail.
   * Throws what the store throws.
   */
  async execute(draft: MessageDraft): Promise<StoredMessage & { readonly isIndexed: boolean }> {
    const stored = await this.messages.store(draft); // one commit, shared with concurrent sends
    if (stored.replayed) return { ...stored, isIndexed: false };
    // Not awaited: the outbox row already promises it.
    this.relay.publishSoon(stored.event, { requestId: draft.requestId, traceparent: draft.traceparent });
    return { ...stored, isIndexed: draft.priority === 'high' && (await this.embedNow.execute(stored.event)) };
  }
}
