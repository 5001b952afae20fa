import type { UserId } from '#lib/contracts/ids';
import { RerankerPort } from '../../search/reranker.port.js';
import type { TextWorkPort } from '../../search/text-work.port.js';

/**
 * A reranker without a model: it orders by the words that a text shares with the query (word-overlap.ts). It knows nothing of meaning;
 * a cross-encoder behind the same port would. Scores are between 0 and 1.
 */
export class LexicalOverlapReranker extends RerankerPort {
  constructor(private readonly work: TextWorkPort) {
    super();
  }

  override rerank(query: string, texts: readonly string[], caller: UserId): Promise<number[]> {
    return this.work.overlap(caller, query, texts);
  }
}
