import { Injectable } from '@nestjs/common';
import type { MessageChange } from '#lib/conversations/change-message';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';

/** Deletes the content of a message and announces it, so that its vectors are removed too. Deleting twice is fine. */
@Injectable()
export class DeleteMessage {
  constructor(
    private readonly messages: MessageStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** Settles with the commit. Throws what the store throws. */
  async execute(change: MessageChange): Promise<void> {
    const deleted = await this.messages.delete(change);
    if (deleted === undefined) return;
    this.relay.publishSoon(deleted.event, { requestId: change.requestId, traceparent: change.traceparent });
  }
}
