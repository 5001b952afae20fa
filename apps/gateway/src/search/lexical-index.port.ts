import type { SearchHit } from '#lib/contracts/http';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';

/** What a search finds: messages, and passages of documents. */
export type FoundKind = SearchHit['kind'];

/** Narrows a search beyond what its reader may see. Times are inclusive, in milliseconds since the epoch. */
export interface SearchFilter {
  readonly senderId?: UserId | undefined;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

/** A message that has words of a query. Scores are comparable within one answer only. */
export interface LexicalHit {
  readonly messageId: MessageId;
  readonly score: number;
}

/** Finds messages by their words. */
export abstract class LexicalIndexPort {
  /** False while words of messages are known to be missing: hits may be missing too. May be some seconds old. */
  get isComplete(): boolean {
    return true;
  }

  /**
   * The `k` messages among `visible` conversations that answer `query` best, best first; messages with all of its words come before those with
   * some. Accents and case do not matter, the last word may be unfinished, and when no message has all words, similar ones of
   * the visible conversations count for those that are unknown there (typos): what was written elsewhere changes no answer.
   * Any text is a valid query: there are no operators. Deleted messages are never found. An empty `visible` finds nothing.
   * Throws DependencyError when the index cannot answer.
   */
  abstract find(query: string, visible: readonly ConversationId[], k: number, filter?: SearchFilter): Promise<LexicalHit[]>;

  /**
   * The same for parts of documents (`messageId` is the id of the part), on the same scale of scores; but no other words are tried for words that
   * no document has. An index that knows no documents finds none.
   */
  findParts(_query: string, _visible: readonly ConversationId[], _k: number, _filter?: SearchFilter): Promise<LexicalHit[]> {
    return Promise.resolve([]);
  }
}
