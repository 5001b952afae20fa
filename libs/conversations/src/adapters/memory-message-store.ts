import type { MessageDeleted, MessageEdited } from '#lib/contracts/events';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { bodyHash } from '../body-hash.js';
import { type ChangedMessage, checkChange, deletionOf, editOf, type MessageChange } from '../change-message.js';
import type { Message, MessageDraft, StoredMessage } from '../message.js';
import { MAX_FOUND_BYTES, MAX_PAGE_BYTES } from '../limits.js';
import { MessageStorePort } from '../message-store.port.js';
import { messageOf, prepare, stored } from '../prepared-message.js';
import { bytesOf, firstWithin } from './first-within.js';
import type { MemoryArchive, MemoryKey } from './memory-archive.js';

/** Messages in memory: for the embedded mode, development and unit tests. Each method runs in one tick, which is its transaction. */
export class MemoryMessageStore extends MessageStorePort {
  constructor(
    private readonly archive: MemoryArchive,
    private readonly outbox: MemoryOutbox,
  ) {
    super();
  }

  async store(draft: MessageDraft): Promise<StoredMessage> {
    const { senderId, key, requestId, traceparent } = draft;
    const conversation = this.archive.visible(draft.conversationId, senderId);
    if (conversation === undefined) throw new ProblemError('not-found', 'There is no such conversation.');
    const place = key === undefined ? undefined : JSON.stringify([senderId, key]);
    const earlier = place === undefined ? undefined : conversation.keys.get(place);
    if (earlier !== undefined) return { replayed: true, message: replayed(draft, earlier) };

    const prepared = prepare(draft, new Date());
    const result = stored(prepared, conversation.messages.length + 1);
    if (result.replayed) return result;
    const { message, event } = result;
    conversation.messages.push(message);
    conversation.lastActivityAt = new Date(Math.max(conversation.lastActivityAt.getTime(), message.createdAt.getTime()));
    if (place !== undefined && prepared.bodyHash !== undefined) {
      conversation.keys.set(place, { id: message.id, seq: message.seq, createdAt: message.createdAt, bodyHash: prepared.bodyHash });
    }
    this.archive.places.set(message.id, { conversation, seq: message.seq });
    this.outbox.add(event, { requestId, traceparent });
    return result;
  }

  async edit(change: MessageChange, content: string): Promise<ChangedMessage<MessageEdited>> {
    const changed = editOf(checkChange(this.visible(change.id, change.actor), change), content, new Date());
    this.write(changed, change);
    return changed;
  }

  async delete(change: MessageChange): Promise<ChangedMessage<MessageDeleted> | undefined> {
    const changed = deletionOf(checkChange(this.visible(change.id, change.actor), change), new Date());
    if (changed !== undefined) this.write(changed, change);
    return changed;
  }

  async find(id: MessageId, reader: UserId): Promise<Message | undefined> {
    return this.visible(id, reader);
  }

  async findMany(ids: readonly MessageId[], reader: UserId): Promise<Message[]> {
    const found = await Promise.all([...new Set(ids)].map((id) => this.find(id, reader)));
    const live = found.filter((message): message is Message => message !== undefined && message.deletedAt === undefined);
    return firstWithin(MAX_FOUND_BYTES, live, bytesOf);
  }

  async page(
    conversationId: ConversationId,
    reader: UserId,
    { afterSeq, beforeSeq, limit }: { afterSeq?: number | undefined; beforeSeq?: number | undefined; limit: number },
  ): Promise<{ messages: Message[]; headSeq: number } | undefined> {
    const conversation = this.archive.visible(conversationId, reader);
    if (conversation === undefined) return undefined;
    const { messages } = conversation;
    const headSeq = messages.length;
    if (afterSeq !== undefined) {
      return { messages: firstWithin(MAX_PAGE_BYTES, messages.slice(afterSeq, afterSeq + limit), bytesOf), headSeq };
    }
    const end = Math.min(headSeq, Math.max(0, (beforeSeq ?? headSeq + 1) - 1));
    const newestFirst = messages.slice(Math.max(0, end - limit), end).reverse();
    return { messages: firstWithin(MAX_PAGE_BYTES, newestFirst, bytesOf).reverse(), headSeq };
  }

  private visible(id: MessageId, reader: UserId): Message | undefined {
    const place = this.archive.places.get(id);
    return place?.conversation.members.has(reader) === true ? place.conversation.messages[place.seq - 1] : undefined;
  }

  private write({ message, event }: ChangedMessage<MessageEdited | MessageDeleted>, { requestId, traceparent }: MessageChange): void {
    const place = this.archive.places.get(message.id);
    if (place === undefined) throw new Error('a message that was found has no place');
    place.conversation.messages[place.seq - 1] = message;
    this.outbox.add(event, { requestId, traceparent });
  }
}

// The message as it was accepted, whatever became of it since: what was sent then is what was sent now, because the hashes are the same.
const replayed = (draft: MessageDraft, { id, seq, createdAt, bodyHash: hash }: MemoryKey): Message => {
  if (bodyHash(draft) === hash) return messageOf({ ...prepare(draft, createdAt), id }, seq);
  throw new ProblemError('idempotency-key-reused', 'This idempotency key was used for a message with another body.');
};
