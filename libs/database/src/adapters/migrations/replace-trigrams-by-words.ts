import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/**
 * `search_words`: each word that messages were written with, once, folded. A search that finds too little asks it what was meant, and asks the
 * full-text index for that. It takes the place of trigrams over all texts, which were most of what a message cost Postgres (ADR 8):
 *
 *   similar words   word % parley_fold($1)
 *
 * The embedding process fills it. Nothing refers to it: it may be emptied at any time, and costs typo tolerance until it is full again.
 */
export class ReplaceTrigramsByWords1763690820000 implements MigrationInterface {
  readonly name = 'ReplaceTrigramsByWords1763690820000';

  async up(runner: QueryRunner): Promise<void> {
    // Words are compared for equality and by trigrams, never shown in an order.
    await runner.query('CREATE TABLE search_words (word text COLLATE "C" PRIMARY KEY)');
    // What was written before: the lexemes of the full-text index, without numbers, addresses and single letters.
    await runner.query(`
      INSERT INTO search_words (word)
      SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', parley_fold(content)) FROM messages WHERE deleted_at IS NULL')
      WHERE char_length(word) BETWEEN 2 AND 24 AND word !~ '[[:digit:][:punct:]]'
    `);
    // New words come one batch at a time and rarely: no list of pending entries that every search would have to read through.
    await runner.query('CREATE INDEX search_words_trigrams ON search_words USING gin (word public.gin_trgm_ops) WITH (fastupdate = off)');
    await runner.query('DROP INDEX messages_trigrams');
  }

  readonly down = forwardOnly;
}
