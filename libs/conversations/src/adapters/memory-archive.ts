import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { Message } from '../message.js';

/** What a member has received and read. */
export interface MemoryMember {
  readonly joinedAt: Date;
  deliveredSeq: number;
  readSeq: number;
}

/** What an idempotency key stands for: the message that was accepted, and the hash of its body. Nothing of what it said. */
export interface MemoryKey {
  readonly id: MessageId;
  readonly seq: number;
  readonly createdAt: Date;
  readonly bodyHash: string;
}

/** A conversation with everything that belongs to it. */
export interface MemoryConversation {
  readonly id: ConversationId;
  readonly title: string | null;
  readonly creatorId: UserId;
  readonly createdAt: Date;
  readonly members: Map<UserId, MemoryMember>;
  /** Who left on their own, and whether they may come back. */
  readonly departed: Map<UserId, { mayReturn: boolean }>;
  /** By seq - 1. */
  readonly messages: Message[];
  /** Idempotency keys: `[sender, key]` as JSON. */
  readonly keys: Map<string, MemoryKey>;
  lastActivityAt: Date;
  /** Raised by each change of its members. */
  membersVersion: number;
}

/** The memory stores' shared state, as the tables are the Postgres stores'. One per process. */
export class MemoryArchive {
  readonly conversations = new Map<ConversationId, MemoryConversation>();
  /** Where each message is. */
  readonly places = new Map<MessageId, { readonly conversation: MemoryConversation; readonly seq: number }>();

  /** Idempotency keys of starts: `[creator, key]` as JSON. */
  readonly startKeys = new Map<string, { readonly id: ConversationId; readonly createdAt: Date; readonly hash: string }>();
  /** What each user has used of the quota of the day. */
  readonly usage = new Map<UserId, { day: string; conversations: number; additions: number }>();

  /** The conversation, when `reader` is a member of it. */
  visible(id: ConversationId, reader: UserId): MemoryConversation | undefined {
    const conversation = this.conversations.get(id);
    return conversation?.members.has(reader) === true ? conversation : undefined;
  }

  /** The reader's conversations, newest activity first. */
  visibleTo(reader: UserId): MemoryConversation[] {
    return [...this.conversations.values()]
      .filter(({ members }) => members.has(reader))
      .sort((one, other) => other.lastActivityAt.getTime() - one.lastActivityAt.getTime() || (one.id < other.id ? 1 : -1));
  }
}
