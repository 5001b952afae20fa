import type { ConversationId, MessageId } from '#lib/contracts/ids';
import { withDeadline } from '#lib/resilience/call/deadline';
import type { Vectors } from '#lib/vectors/late-vectors';
import type { FoundKind, SearchFilter } from './lexical-index.port.js';

/**
 * Embedding the query and asking the vector store have 2 s each (docs/concepts/resilience.md, "Numbers"). A little longer, so that the
 * limit of the call itself fires first: only that one is counted by its breaker.
 */
const EMBED_DEADLINE_MS = 2_200;
const QUERY_DEADLINE_MS = 2_200;

/**
 * The floor for the `local` embedder. It hashes words into 384 dimensions, where the similarity of texts that have nothing in common is 0 with a
 * standard deviation of 1 / sqrt(384) = 0.05; four of them leave 3 strangers in 100,000 messages.
 */
export const LOCAL_NOISE_FLOOR = 0.2;

/** A message, or a part of a document, near a query. `score` = cosine similarity of its best chunk, in [-1, 1]. */
export interface NearMessage {
  readonly messageId: MessageId;
  readonly kind: FoundKind;
  /** Number of that chunk, from 0. */
  readonly chunk: number;
  readonly score: number;
}

/** Finds messages by meaning: embeds the query and takes the best chunk of each message that comes near it. */
export class NearestMessages {
  /**
   * @param get called for each search; throws DependencyError while embedder or store are not open yet.
   * @param floor a chunk that is no more similar than this is noise and not a hit; it depends on the embedder.
   */
  constructor(
    private readonly get: () => Vectors,
    private readonly floor: number,
  ) {}

  /**
   * At most `k` of each kind among `visible`, best first of all; without kinds at most `k` messages, for a reader who sees no documents. Throws DependencyError or DeadlineExceeded when embedder or store
   * cannot.
   */
  async find(
    query: string,
    visible: readonly ConversationId[],
    k: number,
    filter: SearchFilter = {},
    kinds?: readonly FoundKind[],
  ): Promise<NearMessage[]> {
    const { embedder, vectors } = this.get();
    const [embedding] = await withDeadline(EMBED_DEADLINE_MS, () => embedder.embed([query]));
    if (embedding === undefined) return [];
    const nearest = async (kind: FoundKind | undefined) =>
      (await vectors.nearest(embedding, visible, k, { ...filter, kind })).map((chunk) => ({ ...chunk, kind: kind ?? 'message' }));
    const found = await withDeadline(QUERY_DEADLINE_MS, () => Promise.all((kinds ?? [undefined]).map(nearest)));
    const chunks = found.flat().sort((one, other) => other.score - one.score);
    // Best first, so the first chunk of a message is its best one, and a Map keeps the order.
    const best = new Map<MessageId, NearMessage>();
    for (const { id, messageId, kind, score } of chunks) {
      if (score > this.floor && !best.has(messageId)) best.set(messageId, { messageId, kind, chunk: numberOf(id), score });
    }
    return [...best.values()];
  }
}

const numberOf = (chunkId: string): number => Number(chunkId.slice(chunkId.indexOf('#chunk_') + '#chunk_'.length));
