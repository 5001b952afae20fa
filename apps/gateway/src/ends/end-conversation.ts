import { Injectable } from '@nestjs/common';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { enrichContext } from '#lib/runtime/log/context';
import {
  type ConversationEndDraft,
  type ConversationEndRecord,
  ConversationEndStorePort,
} from '#lib/scores/ends/conversation-end-store.port';

/** Accepts the end of a conversation: what is made of it happens behind the queue. */
@Injectable()
export class EndConversation {
  constructor(
    private readonly ends: ConversationEndStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** Settles with the commit of the end, its log and its event. Throws what the store throws. */
  async execute(draft: ConversationEndDraft): Promise<ConversationEndRecord> {
    const startedAt = performance.now();
    const { end, event } = await this.ends.end(draft).finally(() => {
      enrichContext({ db_time_ms: Math.round((performance.now() - startedAt) * 10) / 10 });
    });
    // Not awaited: the outbox row already promises it.
    if (event !== undefined) this.relay.publishSoon(event, draft.headers);
    return end;
  }
}
