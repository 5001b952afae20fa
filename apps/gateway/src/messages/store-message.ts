import { Injectable } from '@nestjs/common';
import type { MessageDraft, StoredMessage } from '#lib/conversations/message';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { EmbedNow } from './embed-now.js';

/** What its sender is told of a message. */
export interface AcknowledgedMessage extends Pick<StoredMessage, 'message' | 'replayed'> {
  /** Its vectors are there already: it had high priority. */
  readonly isIndexed: boolean;
}

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
  async execute(draft: MessageDraft): Promise<AcknowledgedMessage> {
    const stored = await this.messages.store(draft); // one commit, shared with concurrent sends
    const { message, replayed } = stored;
    if (stored.replayed) return { message, replayed, isIndexed: false };
    // Not awaited: the outbox row already promises it. The draft has the headers that travel with its event.
    this.relay.publishSoon(stored.event, draft);
    return { message, replayed, isIndexed: draft.priority === 'high' && (await this.embedNow.execute(stored.event)) };
  }
}
