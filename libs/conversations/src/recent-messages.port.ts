import type { ConversationId, MessageId } from '#lib/contracts/ids';

/** A message as operators see it: where it is and when it came, nothing of what it says or who wrote it. */
export interface MessagePlace {
  readonly id: MessageId;
  readonly conversationId: ConversationId;
  readonly seq: number;
  readonly version: number;
  readonly createdAt: Date;
}

/** The newest messages of all conversations, for operators who follow them through the pipeline. No reader is asked for: nothing private is told. */
export abstract class RecentMessagesPort {
  /** In the order of their ids, which is that of their milliseconds; the newest first. @throws DependencyError. */
  abstract newest(limit: number): Promise<MessagePlace[]>;
}
