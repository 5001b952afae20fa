import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import type { MessageDraft, StoredMessage } from './message.js';
import type { MessageStorePort } from './message-store.port.js';

/** Commits a message with its sequence number and its event, then lets the relay publish it (R001-R003): what REST and the WebSocket do with a send. */
export class AcceptMessage {
  constructor(
    private readonly messages: MessageStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** Settles with the commit, which concurrent sends share. RabbitMQ never makes it fail. @throws what the store throws. */
  async execute(draft: MessageDraft): Promise<StoredMessage> {
    const stored = await this.messages.store(draft);
    // Not awaited: the outbox row already promises it. The draft has the headers that travel with its event.
    if (!stored.replayed) this.relay.publishSoon(stored.event, draft);
    return stored;
  }
}
