import { Injectable } from '@nestjs/common';
import type { MessageDraft, StoredMessage } from '#lib/conversations/message';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { OutboxRelay } from '#lib/database/outbox-relay';

/** Commits a message with its sequence number and its event, then lets the relay publish it (R001-R003). */
@Injectable()
export class StoreMessage {
  constructor(
    private readonly messages: MessageStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** Settles with the commit; what RabbitMQ does never delays or fails it. Throws what the store throws. */
  async execute(draft: MessageDraft): Promise<StoredMessage> {
    const stored = await this.messages.store(draft); // one commit, shared with whoever sends now
    if (!stored.replayed) {
      // Not awaited: the outbox row already promises it.
      this.relay.publishSoon(stored.event, { requestId: draft.requestId, traceparent: draft.traceparent });
    }
    return stored;
  }
}
