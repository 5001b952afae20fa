import { Injectable } from '@nestjs/common';
import type { ParleyEvent } from '#lib/contracts/events';
import { DeliveryLedgerPort } from '#lib/conversations/delivery-ledger.port';
import { CurrentConversationsPort } from './current-conversations.port.js';

/** Marks the ledger entry of a dead-lettered message (R120): `pipeline.delivery` is `failed` until its dead letter is replayed. */
@Injectable()
export class MarkFailed {
  constructor(
    private readonly current: CurrentConversationsPort,
    private readonly deliveries: DeliveryLedgerPort,
  ) {}

  /**
   * Marks only a version that the message has: a forged event must not enter the ledger. A delivered version stays delivered.
   * @throws DependencyError when Postgres is out.
   */
  async mark({ type, data }: ParleyEvent): Promise<void> {
    if (type !== 'message.created' && type !== 'message.edited' && type !== 'message.deleted') return;
    const { messageId, version } = data;
    const message = (await this.current.messages([messageId])).get(messageId);
    if (message?.version !== version) return;
    await this.deliveries.record([{ messageId, version, state: 'failed' }]);
  }
}
