import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { MessageDeleted, MessageEdited } from '#lib/contracts/events';
import type { ChangedMessage, MessageChange } from './change-message.js';
import type { Message, MessageDraft, StoredMessage } from './message.js';

/** Stores messages in their conversation's order and reads them for members only: each read takes the reader, and a non-member sees nothing. */
export abstract class MessageStorePort {
  /**
   * Commits the message, its `seq` (gap-free per conversation), and its `message.created` outbox row together. Concurrent calls share commits.
   * @throws ProblemError `not-found` (unknown conversation or not a member), `idempotency-key-reused`; DependencyError when Postgres cannot.
   */
  abstract store(draft: MessageDraft): Promise<StoredMessage>;

  /**
   * Gives a message a new text, in one commit with its `message.edited` outbox row. Versions of a message rise by one with each change.
   * @throws ProblemError `not-found`, `forbidden`, `version-conflict`; DependencyError when Postgres cannot.
   */
  abstract edit(change: MessageChange, content: string): Promise<ChangedMessage<MessageEdited>>;

  /**
   * Removes text and metadata of a message for good, in one commit with its `message.deleted` outbox row; its `seq` stays taken.
   * Undefined when it was deleted before. @throws as {@link edit}.
   */
  abstract delete(change: MessageChange): Promise<ChangedMessage<MessageDeleted> | undefined>;

  /** The message, when `reader` is a member of its conversation. */
  abstract find(id: MessageId, reader: UserId): Promise<Message | undefined>;

  /**
   * Those of `ids` that `reader` may see and that are not deleted, in no particular order. Of more than MAX_FOUND_BYTES the first of `ids`
   * that fit: put the best first.
   */
  abstract findMany(ids: readonly MessageId[], reader: UserId): Promise<Message[]>;

  /**
   * A page in ascending `seq`: the first `limit` after `afterSeq`, else the last `limit` before `beforeSeq`, else the newest `limit`.
   * The page ends at MAX_PAGE_BYTES of text, too: what is left out is the far end, so the client goes on at the last `seq` that it got.
   * undefined when `reader` is not a member.
   */
  abstract page(
    conversationId: ConversationId,
    reader: UserId,
    range: { afterSeq?: number | undefined; beforeSeq?: number | undefined; limit: number },
  ): Promise<{ messages: Message[]; headSeq: number } | undefined>;
}
