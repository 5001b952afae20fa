import { Injectable } from '@nestjs/common';
import { AcceptMessage } from '#lib/conversations/accept-message';
import type { MessageDraft, StoredMessage } from '#lib/conversations/message';
import { EmbedNow } from './embed-now.js';

/** What its sender is told of a message. */
export interface AcknowledgedMessage extends Pick<StoredMessage, 'message' | 'replayed'> {
  /** Its vectors are there already: it had high priority. */
  readonly isIndexed: boolean;
}

/** Accepts a message (accept-message.ts), and makes one of high priority findable by meaning before its sender is answered. */
@Injectable()
export class StoreMessage {
  constructor(
    private readonly accept: AcceptMessage,
    private readonly embedNow: EmbedNow,
  ) {}

  /**
   * Settles with the commit; for high priority when the vectors are there or 2 s are over. RabbitMQ never makes it fail.
   * Throws what the store throws.
   */
  async execute(draft: MessageDraft): Promise<AcknowledgedMessage> {
    const stored = await this.accept.execute(draft);
    const { message, replayed } = stored;
    if (stored.replayed) return { message, replayed, isIndexed: false };
    return { message, replayed, isIndexed: draft.priority === 'high' && (await this.embedNow.execute(stored.event)) };
  }
}
