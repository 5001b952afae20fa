import type { EndedConversationId, UserId } from '#lib/contracts/ids';

/** One turn of a conversation as it is scored. `user` is the one whose score changes, `bot` everyone else. */
export interface Turn {
  readonly role: 'user' | 'bot';
  readonly content: string;
}

/** What is scored: the turns of one end of a conversation, oldest first. */
export interface Transcript {
  readonly conversationId: EndedConversationId;
  readonly userId: UserId;
  /** The newest turns, as many as fit into MAX_TRANSCRIPT_LENGTH; deleted messages are left out. */
  readonly turns: readonly Turn[];
  /** All turns of the user and of others, also those that `turns` leaves out. */
  readonly turnCounts: { readonly user: number; readonly bot: number };
  /** Changes when a turn is edited or deleted: a hash of what `turns` and `turnCounts` were made of. */
  readonly fingerprint: string;
}

/** UTF-16 units of text that are analysed: about 6,000 tokens, what small models read in one call. */
export const MAX_TRANSCRIPT_LENGTH = 24_000;
