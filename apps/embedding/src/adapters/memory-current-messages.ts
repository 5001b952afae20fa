import type { MessageCreated, MessageDeleted, MessageEdited, VectorsRebuild } from '#lib/contracts/events';
import type { MessageId } from '#lib/contracts/ids';
import type { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import { type CurrentMessage, CurrentMessagesPort } from '../current-messages.port.js';

/** Messages in memory, for tests. */
export class MemoryCurrentMessages extends CurrentMessagesPort {
  private readonly messages = new Map<MessageId, Omit<CurrentMessage, 'entry'>>();

  constructor(private readonly ledger: ChunkLedgerPort) {
    super();
  }

  /** Commits the message of an event, unless a newer version is committed. */
  commit({ data, occurredAt }: MessageCreated | MessageEdited | MessageDeleted | VectorsRebuild): void {
    if (data.version < (this.messages.get(data.messageId)?.version ?? 0)) return;
    const { messageId, conversationId, senderId, seq, version, createdAt } = data;
    const content = 'content' in data ? data.content : null;
    const facts = { messageId, conversationId, senderId, seq, version, createdAt, content };
    this.messages.set(messageId, { ...facts, changedAt: new Date(occurredAt) });
  }

  /** Commits a part of a document. */
  commitPart(part: Omit<CurrentMessage, 'entry' | 'changedAt' | 'version'>): void {
    this.messages.set(part.messageId, { ...part, version: 1, changedAt: new Date(part.createdAt) });
  }

  /** Removes what was committed of this id, as an erasure does with parts. */
  remove(messageId: MessageId): void {
    this.messages.delete(messageId);
  }

  async of(messageIds: readonly MessageId[]): Promise<Map<MessageId, CurrentMessage>> {
    const entries = await this.ledger.entriesOf(messageIds);
    const found = new Map<MessageId, CurrentMessage>();
    for (const messageId of messageIds) {
      const message = this.messages.get(messageId);
      if (message !== undefined) found.set(messageId, { ...message, entry: entries.get(messageId) });
    }
    return found;
  }
}
