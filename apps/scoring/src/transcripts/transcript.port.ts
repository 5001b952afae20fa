import type { ConversationEndRecord } from '#lib/scores/ends/conversation-end-store.port';
import type { Transcript } from '#lib/scores/transcript';

/** Reads what was said in a conversation that ended: its log, staged or in the object store, or its messages. */
export abstract class TranscriptPort {
  /**
   * What is scored of an end, stored or previewed; without turns where nothing was said. Undefined when it is gone: erased, or its log
   * is in no store. Throws DependencyError (`postgres`, `objectStore`) when a store cannot.
   */
  abstract of(end: ConversationEndRecord): Promise<Transcript | undefined>;
}
