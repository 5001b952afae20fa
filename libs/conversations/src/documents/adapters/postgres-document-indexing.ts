import type { DocumentId } from '#lib/contracts/documents';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { DocumentIndexingPort } from '../document-indexing.port.js';

const BEGIN = `
  WITH begun AS (
    UPDATE documents SET state = 'indexing', changed_at = now() WHERE id = $1 AND state <> 'done' RETURNING id
  )
  SELECT EXISTS (SELECT FROM documents WHERE id = $1) AS "isThere"`;

const TO_INDEX = `
  SELECT p.id FROM document_parts p LEFT JOIN message_chunks l ON l.message_id = p.id
   WHERE p.document_id = $1 AND (l.state IS DISTINCT FROM 'indexed' OR l.model <> $2)
   ORDER BY p.place`;

const END = `UPDATE documents SET state = $2, changed_at = now() WHERE id = $1 AND state <> 'done' AND state <> $2`;

/** The state of documents, and the ledger of their parts. */
export class PostgresDocumentIndexing extends DocumentIndexingPort {
  constructor(private readonly work: PostgresLane) {
    super();
  }

  async begin(id: DocumentId): Promise<boolean> {
    const [row] = await this.work.query<{ isThere: boolean }>(BEGIN, [id]);
    return row?.isThere === true;
  }

  async partsToIndex(id: DocumentId, model: string): Promise<string[]> {
    return (await this.work.query<{ id: string }>(TO_INDEX, [id, model])).map(({ id: partId }) => partId);
  }

  async end(id: DocumentId, state: 'done' | 'failed'): Promise<void> {
    await this.work.query(END, [id, state]);
  }
}
