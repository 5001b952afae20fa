import type { MessageEvent } from '#lib/contracts/events';
import type { MessageId } from '#lib/contracts/ids';
import { type CurrentMessage, CurrentMessagesPort } from '../signals/current-messages.port.js';

/** Messages in memory, for tests. */
export class MemoryCurrentMessages extends CurrentMessagesPort {
  private readonly messages = new Map<MessageId, CurrentMessage>();

  /** Commits the message of an event, unless a newer version is committed. */
  commit({ data }: MessageEvent): void {
    if (data.version < (this.messages.get(data.messageId)?.version ?? 0)) return;
    const { messageId, conversationId, senderId: userId, seq, version } = data;
    this.messages.set(messageId, { messageId, conversationId, userId, seq, version, content: 'content' in data ? data.content : null });
  }

  async of(messageIds: readonly MessageId[]): Promise<Map<MessageId, CurrentMessage>> {
    const found = new Map<MessageId, CurrentMessage>();
    for (const id of messageIds) {
      const message = this.messages.get(id);
      if (message !== undefined) found.set(id, message);
    }
    return found;
  }
}
