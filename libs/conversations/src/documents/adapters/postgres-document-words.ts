import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { refusalOf } from '../../adapters/postgres-text-index.js';
import { DocumentWordsPort } from '../document-words.port.js';

/** Longest that a batch may take; ten times what the worst one does on a quiet machine. */
const BATCH_TIMEOUT_MS = 2_000;

const WAITING = { name: 'document-words-waiting', text: 'SELECT id FROM document_parts WHERE words IS NULL ORDER BY id LIMIT $1' };

const INDEX = `
  WITH due AS MATERIALIZED (
    SELECT id, content FROM document_parts WHERE id = ANY ($1::uuid[]) AND words IS NULL ORDER BY id FOR UPDATE SKIP LOCKED
  )
  UPDATE document_parts p SET words = made.words, word_count = length(made.words)
    FROM due CROSS JOIN LATERAL (SELECT parley_words(due.content) AS words OFFSET 0) made
   WHERE p.id = due.id`;

const GIVE_UP = `UPDATE document_parts SET words = '' WHERE id = $1 AND words IS NULL`;

/** `document_parts.words`. */
export class PostgresDocumentWords extends DocumentWordsPort {
  constructor(private readonly lane: PostgresLane) {
    super();
  }

  async waiting(limit: number): Promise<string[]> {
    return (await this.lane.query<{ id: string }>(WAITING, [limit])).map(({ id }) => id);
  }

  async index(ids: readonly string[]): Promise<void> {
    try {
      await this.lane.queryWithin(BATCH_TIMEOUT_MS, INDEX, [ids]);
    } catch (error) {
      throw refusalOf(error, BATCH_TIMEOUT_MS) ?? error;
    }
  }

  async giveUp(id: string): Promise<void> {
    await this.lane.query(GIVE_UP, [id]);
  }
}
