import type { EndedConversationId, UserId } from '#lib/contracts/ids';

/** One end of a conversation, as it is stored. Messages of Parley belong to one end each: `fromSeq` is where the one before stopped. */
export interface ConversationEndRecord {
  /** UUIDv7. */
  readonly id: string;
  /** What clients see: the id, with a timestamp when the conversation had ended before with another body. */
  readonly eventId: string;
  readonly conversationId: EndedConversationId;
  readonly userId: UserId;
  readonly startTime: Date;
  readonly endTime: Date;
  /** Of a conversation of Parley that ended without a log: its messages from `fromSeq` up to `throughSeq`. */
  readonly messages: { readonly fromSeq: number; readonly throughSeq: number } | undefined;
  /** Where its log is, when it has one. `staged`: in Postgres, until it is moved to the object store. */
  readonly log: { readonly state: 'staged' | 'stored'; readonly objectKey: string; readonly bytes: number } | undefined;
  readonly createdAt: Date;
}
