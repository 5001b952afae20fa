import type { MessageCreated } from '#lib/contracts/events';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';

/** A message that a member wants to send. Parsed and within its limits; whether the sender may is decided by the store. */
export interface MessageDraft {
  readonly conversationId: ConversationId;
  readonly senderId: UserId;
  readonly content: string;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  readonly priority: 'normal' | 'high';
  /** Durable idempotency key of this sender in this conversation. */
  readonly key?: string | undefined;
  readonly requestId?: string | undefined;
  readonly traceparent?: string | undefined;
}

/** A committed message. Deleted ones keep their `seq`, their content is empty. */
export interface Message {
  readonly id: MessageId;
  readonly conversationId: ConversationId;
  readonly seq: number;
  readonly senderId: UserId;
  readonly content: string;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  readonly version: number;
  readonly createdAt: Date;
  readonly editedAt?: Date | undefined;
  readonly deletedAt?: Date | undefined;
}

/** Verdict of a send: `replayed` = the same key was stored before and this is that message; the event is there only for a new one. */
export type StoredMessage =
  | { readonly replayed: false; readonly message: Message; readonly event: MessageCreated }
  | { readonly replayed: true; readonly message: Message };
