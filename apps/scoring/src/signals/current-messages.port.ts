import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';

/** A message as Postgres has it now. */
export interface CurrentMessage {
  readonly messageId: MessageId;
  readonly conversationId: ConversationId;
  readonly userId: UserId;
  readonly seq: number;
  readonly version: number;
  /** null = deleted. */
  readonly content: string | null;
}

/** The current messages; an event only names them. Throws DependencyError. */
export abstract class CurrentMessagesPort {
  /** Those of `messageIds` that exist. Never from a replica: a message missing there would never be scored. */
  abstract of(messageIds: readonly MessageId[]): Promise<Map<MessageId, CurrentMessage>>;
}
