import { type MessagePlace, RecentMessagesPort } from '../recent-messages.port.js';
import type { MemoryArchive } from './memory-archive.js';

export class MemoryRecentMessages extends RecentMessagesPort {
  constructor(private readonly archive: MemoryArchive) {
    super();
  }

  override async newest(limit: number): Promise<MessagePlace[]> {
    return [...this.archive.conversations.values()]
      .flatMap(({ messages }) => messages)
      .toSorted((one, other) => (one.id < other.id ? 1 : -1))
      .slice(0, limit)
      .map(({ id, conversationId, seq, version, createdAt }) => ({ id, conversationId, seq, version, createdAt }));
  }
}
