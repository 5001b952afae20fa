import { Injectable } from '@nestjs/common';
import type { MessageChange } from '#lib/conversations/change-message';
import type { Message } from '#lib/conversations/message';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';

/** Commits the new text of a message with its event; vectors and search follow the newest version behind RabbitMQ. */
@Injectable()
export class EditMessage {
  constructor(
    private readonly messages: MessageStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** Settles with the commit. Throws what the store throws. */
  async execute(change: MessageChange, content: string): Promise<Message> {
    const { message, event } = await this.messages.edit(change, content);
    this.relay.publishSoon(event, { requestId: change.requestId, traceparent: change.traceparent });
    return message;
  }
}
