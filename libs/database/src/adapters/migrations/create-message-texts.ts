import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/**
 * `message_texts`: the words of each message, once more, for search (ADR 17). Written by the text indexer and not in the message's commit, so
 * that neither the parser nor the index can hold up a send.
 *
 *   words          parley_words(content); empty when the message is deleted
 *   place          order in which messages came to Postgres, whatever the clocks of the gateways say; below 0: older than the table
 *   version        of the message, whose words these are; a search drops what is out of date
 *   word_count     different words: what reading this row costs
 */
export class CreateMessageTexts1764000400000 implements MigrationInterface {
  readonly name = 'CreateMessageTexts1764000400000';

  async up(runner: QueryRunner): Promise<void> {
    // Punctuation splits words as it does in queries, which saves addresses and `a_a_a_...` from a parser that takes quadratic time for them
    // (16,384 characters: 1.3 s). So does sorting combining marks: no run is longer than 64. The worst texts known take 9 ms.
    await runner.query(`
      CREATE FUNCTION parley_words(value text) RETURNS tsvector
      LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
      RETURN to_tsvector('simple'::regconfig, parley_fold(
        regexp_replace(regexp_replace(left(value, 32768), '[!-/:-@[-\`{-~]', ' ', 'g'), '\\S{64}', '\\& ', 'g')
      ))
    `);
    await runner.query(`
      CREATE TABLE message_texts (
        message_id uuid PRIMARY KEY,
        conversation_id uuid NOT NULL,
        seq bigint NOT NULL,
        place bigint NOT NULL,
        created_at timestamptz(3) NOT NULL,
        version int NOT NULL,
        word_count int NOT NULL,
        sender_id text COLLATE "C" NOT NULL,
        words tsvector NOT NULL
      ) WITH (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05)
    `);
    // Each search reads the list of pending entries from end to end, so it is short: 64 kB, the least that Postgres takes. Without it a
    // message costs twice as much.
    await runner.query('CREATE INDEX message_texts_words ON message_texts USING gin (words) WITH (gin_pending_list_limit = 64)');
    await runner.query('CREATE INDEX message_texts_by_place ON message_texts (place)');
    // What is newest in a conversation is known from its head_seq: a range of seq is as small as it says, whatever the planner believes.
    await runner.query('CREATE INDEX message_texts_by_conversation ON message_texts (conversation_id, seq)');
  }

  readonly down = forwardOnly;
}
