import { Injectable } from '@nestjs/common';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ConversationId, UserId } from '#lib/contracts/ids';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { ConversationStorePort } from './conversation-store.port.js';

/** Raises what a member has received and read, and announces it to the other members. Repeating it is fine, and announces nothing. */
@Injectable()
export class RecordReceipt {
  constructor(
    private readonly conversations: ConversationStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** Settles with the commit. False when `reader` is not a member. @throws DependencyError when Postgres cannot. */
  async execute(
    id: ConversationId,
    reader: UserId,
    receipt: { deliveredSeq?: number | undefined; readSeq?: number | undefined },
    headers: EventHeaders = {},
  ): Promise<boolean> {
    const recorded = await this.conversations.recordReceipt(id, reader, receipt, headers);
    if (recorded?.event !== undefined) this.relay.publishSoon(recorded.event, headers);
    return recorded !== undefined;
  }
}
