import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ConversationEnded } from '#lib/contracts/events';
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
  /** Of a conversation of Parley that ended without a log: its messages from `fromSeq` up to `throughSeq`; none when that is the smaller one. */
  readonly messages: { readonly fromSeq: number; readonly throughSeq: number } | undefined;
  /** Where its log is, when it has one. `staged`: in Postgres, until it is moved to the object store. `bytes` as it is kept, gzipped. */
  readonly log: { readonly state: 'staged' | 'stored'; readonly objectKey: string; readonly bytes: number } | undefined;
  readonly createdAt: Date;
}

/** An end that a client reports. */
export interface ConversationEndDraft {
  readonly conversationId: EndedConversationId;
  readonly userId: UserId;
  readonly startTime: Date;
  readonly endTime: Date;
  /** Equal for bodies that say the same: 64 hexadecimal digits. */
  readonly bodyHash: string;
  /** Gzipped NDJSON, a LogEntry on each line. */
  readonly log: Uint8Array | undefined;
  /** Travel with the event. */
  readonly headers?: EventHeaders;
}

/** Verdict of an end: without `event` it was there before. */
export interface StoredEnd {
  readonly end: ConversationEndRecord;
  /** Its outbox row is in the same commit; its id is that of the end. */
  readonly event?: ConversationEnded | undefined;
}

/** A conversation that a user ends anew, or ended before. */
export interface EndedConversation {
  readonly conversationId: EndedConversationId;
  readonly userId: UserId;
}

/**
 * Ends of conversations, and their logs until these are in the object store. A conversation of Parley that the user does not belong to does not
 * exist; other ids are those of other systems, and each user has its own. All calls throw DependencyError when Postgres cannot.
 */
export abstract class ConversationEndStorePort {
  /**
   * Stores an end with its log and its event in one commit. The same body again is the same end. Ends of one user and conversation are stored
   * one after another, so that no message belongs to two of them.
   * @throws ProblemError `not-found`; `validation` for a conversation of another system that has no log.
   */
  abstract end(draft: ConversationEndDraft): Promise<StoredEnd>;
  /**
   * Ends the conversation with the messages since its last end, for a user who wants it scored now; without any it is the last end again.
   * Undefined when there is neither, or no such conversation.
   */
  abstract endUnended(conversation: EndedConversation, headers?: EventHeaders): Promise<StoredEnd | undefined>;
  /** What {@link endUnended} would give; stores nothing, so the id of a new end is one that is never stored. */
  abstract preview(conversation: EndedConversation): Promise<ConversationEndRecord | undefined>;
  abstract find(id: string): Promise<ConversationEndRecord | undefined>;
  /** The last end of this user in this conversation. */
  abstract latestOf(conversation: EndedConversation): Promise<ConversationEndRecord | undefined>;
  /** Users who ended this conversation: none, the one, or two of several. */
  abstract usersOf(conversationId: EndedConversationId): Promise<UserId[]>;
  /** The ends of a user by id, which is the order in which they were stored, at most `limit`, after the end `after`. */
  abstract ofUser(userId: UserId, limit: number, after?: string): Promise<ConversationEndRecord[]>;
  /** The log of an end while it is staged, as the draft had it. */
  abstract stagedLog(id: string): Promise<Buffer | undefined>;
  /** The log is in the object store: its staged bytes go, in one commit. False when the end is gone; saying it twice is fine. */
  abstract logStored(id: string): Promise<boolean>;
  /**
   * Removes at most `limit` ends of a user, their staged logs and scores with them, and the user's status; returns how many. Logs in the object
   * store: {@link logPrefixOf}.
   */
  abstract removeOf(userId: UserId, limit: number): Promise<number>;
}
