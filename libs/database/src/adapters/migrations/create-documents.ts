import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/**
 * `documents` and `document_parts` (ADR 35). A part is to indexing what a message is: its id stands in the ledger (`message_chunks`), in the
 * intent log and in the vector store. What a search filters by stands in each part once more, so that no search joins.
 *
 *   documents.state        of its vectors: pending, indexing, done, failed
 *   documents.client_key   idempotency key of its owner, for ever
 *   document_parts.place   1, 2, 3, ... in the document
 *   document_parts.words   parley_words(content); NULL: not made yet, `ops` does it
 */
export class CreateDocuments1764000800000 implements MigrationInterface {
  readonly name = 'CreateDocuments1764000800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE documents (
        id uuid PRIMARY KEY,
        conversation_id uuid NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        changed_at timestamptz(3) NOT NULL DEFAULT now(),
        length int NOT NULL CHECK (length > 0),
        bytes int NOT NULL CHECK (bytes > 0),
        part_count int NOT NULL CHECK (part_count > 0),
        chunk_count int NOT NULL CHECK (chunk_count > 0),
        owner_id text COLLATE "C" NOT NULL,
        state text COLLATE "C" NOT NULL DEFAULT 'pending',
        client_key text COLLATE "C",
        body_hash bytea NOT NULL,
        title text NOT NULL,
        CONSTRAINT documents_state_check CHECK (state IN ('pending', 'indexing', 'done', 'failed'))
      )
    `);
    await runner.query('CREATE UNIQUE INDEX documents_keys ON documents (owner_id, client_key) WHERE client_key IS NOT NULL');
    await runner.query('CREATE INDEX documents_by_conversation ON documents (conversation_id)');
    await runner.query(`CREATE INDEX documents_open ON documents (owner_id) WHERE state IN ('pending', 'indexing')`);
    await runner.query(`
      CREATE TABLE document_parts (
        id uuid PRIMARY KEY,
        document_id uuid NOT NULL,
        conversation_id uuid NOT NULL,
        created_at timestamptz(3) NOT NULL,
        place int NOT NULL,
        word_count int NOT NULL DEFAULT 0,
        owner_id text COLLATE "C" NOT NULL,
        content text NOT NULL,
        words tsvector,
        CONSTRAINT document_parts_place UNIQUE (document_id, place)
      )
    `);
    // Compressing 10 MB takes a tenth of a second of the commit; uncompressed text is only read part by part.
    await runner.query('ALTER TABLE document_parts ALTER COLUMN content SET STORAGE EXTERNAL');
    await runner.query('CREATE INDEX document_parts_words ON document_parts USING gin (words) WITH (gin_pending_list_limit = 64)');
    await runner.query('CREATE INDEX document_parts_by_conversation ON document_parts (conversation_id, id)');
    await runner.query('CREATE INDEX document_parts_wordless ON document_parts (id) WHERE words IS NULL');
  }

  readonly down = forwardOnly;
}
