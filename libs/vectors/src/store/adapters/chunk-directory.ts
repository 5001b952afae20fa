import type { ConversationId, MessageId } from '#lib/contracts/ids';
import type { VectorFilter } from '../vector-store.port.js';

/**
 * Tells a vector store which chunks a reader may see, from the tables of messages and documents: Chroma is slow at that. A deleted message is seen by
 * no reader. Without a `kind` in the filter it speaks of messages alone: who leaves it out knows that there are no documents.
 */
export interface ChunkDirectory {
  /** Those of `messageIds` that stand in `visible` conversations and pass `filter`. */
  seenAmong(messageIds: readonly MessageId[], visible: ReadonlySet<ConversationId>, filter: VectorFilter): Promise<ReadonlySet<MessageId>>;
  /**
   * The ids of all chunks that the store should hold of `visible` conversations and that pass `filter`; undefined when they are too many, or too
   * large a share of everything, for looking at each of them.
   */
  allSeen(visible: ReadonlySet<ConversationId>, filter: VectorFilter): Promise<readonly string[] | undefined>;
}
