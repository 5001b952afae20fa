import type { Logger } from '#lib/runtime/log/logger';
import { TextsRefused } from '../text-index.port.js';
import type { DocumentWordsPort } from './document-words.port.js';

/** Parts of one batch: the worst texts known take 9 ms each. */
const BATCH = 16;

/** Makes the words of documents findable, a batch at a time and beside those of messages, which do not wait for it. Needs Postgres alone. */
export class IndexDocumentWords {
  constructor(
    private readonly words: DocumentWordsPort,
    private readonly logger: Logger,
  ) {}

  /**
   * Works until no part is left, or until `signal`. @throws DependencyError when Postgres cannot, TextsRefused when it takes too long; what was
   * done stays done.
   */
  async execute(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const ids = await this.words.waiting(BATCH);
      if (ids.length === 0) return;
      try {
        await this.words.index(ids);
      } catch (error) {
        if (!(error instanceof TextsRefused)) throw error;
        for (const id of ids) await this.indexAlone(id);
      }
    }
  }

  private async indexAlone(id: string): Promise<void> {
    try {
      await this.words.index([id]);
    } catch (error) {
      // That it takes too long is Postgres' fault: no part is long enough.
      if (!(error instanceof TextsRefused) || error.isTimeout) throw error;
      await this.words.giveUp(id);
      this.logger.error(
        { partId: id, reason: error.reason },
        'the words of a document cannot be indexed: search does not find this part by them',
      );
    }
  }
}
