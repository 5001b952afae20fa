import type { DocumentId, DocumentState } from '#lib/contracts/documents';
import { newEvent } from '#lib/contracts/events';
import { type ConversationId, newId, type UserId } from '#lib/contracts/ids';
import type { PostgresLane, Query } from '#lib/database/adapters/lanes/postgres-lane';
import { MAX_FOUND_BYTES } from '../../limits.js';
import { acceptedAs, type Document, type DocumentDraft, type FoundPart, partsOf, type StoredDocument } from '../document.js';
import { checkOpen, DocumentStorePort, documentKeyReused, noSuchConversation } from '../document-store.port.js';
import { binaryTexts } from './binary-texts.js';

// One upload of an owner at a time: two with one key, or two that are one too many together, wait for each other.
const LOCK = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 35))';

const CHECK = `
  SELECT EXISTS (SELECT FROM conversation_members WHERE conversation_id = $1 AND user_id = $2) AS "isMember",
         (SELECT count(*) FROM documents WHERE owner_id = $2 AND state IN ('pending', 'indexing'))::int AS count,
         (SELECT coalesce(sum(bytes), 0) FROM documents WHERE owner_id = $2 AND state IN ('pending', 'indexing'))::float8 AS bytes,
         earlier.id, earlier.created_at AS "createdAt", encode(earlier.body_hash, 'hex') AS "bodyHash"
    FROM (SELECT) one LEFT JOIN documents earlier ON earlier.owner_id = $2 AND earlier.client_key = $3`;

const ADD = `
  WITH document AS (
    INSERT INTO documents (id, conversation_id, owner_id, title, length, bytes, part_count, chunk_count, client_key, body_hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, decode($10, 'hex')) RETURNING id, conversation_id, owner_id, created_at
  ), parts AS (
    INSERT INTO document_parts (id, document_id, conversation_id, owner_id, created_at, place, content)
    SELECT part.id, document.id, document.conversation_id, document.owner_id, document.created_at, part.place, part.content
      FROM document, ROWS FROM (unnest($11::uuid[]), unnest($12::text[])) WITH ORDINALITY AS part (id, content, place)
  ), announced AS (
    INSERT INTO outbox (event_id, routing_key, envelope, headers) VALUES ($13, 'document.created', $14, $15)
  )
  SELECT created_at AS "createdAt" FROM document`;

const IS_MEMBER = (table: string) =>
  `EXISTS (SELECT FROM conversation_members m WHERE m.conversation_id = ${table}.conversation_id AND m.user_id = $2)`;

const FIND = {
  name: 'document',
  text: `
    SELECT d.id, d.conversation_id AS "conversationId", d.owner_id AS "ownerId", d.title, d.length, d.created_at AS "createdAt", d.state,
           d.part_count AS "partCount", d.chunk_count AS "chunkCount", held.parts, held.chunks,
           EXISTS (SELECT FROM document_parts p WHERE p.document_id = d.id AND p.words IS NULL) AS "isWordless"
      FROM documents d
     CROSS JOIN LATERAL (
       SELECT count(*)::int AS parts, coalesce(sum(l.chunk_count), 0)::int AS chunks
         FROM document_parts p JOIN message_chunks l ON l.message_id = p.id
        WHERE p.document_id = d.id AND l.state = 'indexed'
     ) held
     WHERE d.id = $1 AND ($2::text IS NULL OR ${IS_MEMBER('d')})`,
};

const ARE_IN = {
  name: 'documents-are-in',
  text: 'SELECT EXISTS (SELECT FROM documents WHERE conversation_id = ANY ($1::uuid[])) AS "isThere"',
};

const DOCUMENTS_OF = {
  name: 'documents-of-parts',
  text: 'SELECT id, document_id AS "documentId" FROM document_parts WHERE id = ANY ($1::uuid[])',
};

const PARTS = {
  name: 'document-parts-found',
  text: `
    SELECT id, "documentId", title, place, "conversationId", "ownerId", "createdAt", content FROM (
      SELECT p.id, p.document_id AS "documentId", d.title, p.place, p.conversation_id AS "conversationId", p.owner_id AS "ownerId",
             p.created_at AS "createdAt", p.content,
             sum(octet_length(p.content)) OVER (ORDER BY wanted.number ROWS UNBOUNDED PRECEDING) - octet_length(p.content) AS before
        FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, number)
        JOIN document_parts p ON p.id = wanted.id
        JOIN documents d ON d.id = p.document_id
       WHERE ${IS_MEMBER('p')}
    ) found WHERE before < ${MAX_FOUND_BYTES}`,
};

interface CheckRow {
  readonly isMember: boolean;
  readonly count: number;
  readonly bytes: number;
  readonly id: DocumentId | null;
  readonly createdAt: Date | null;
  readonly bodyHash: string | null;
}

interface DocumentRow extends Omit<Document, 'parts' | 'chunks' | 'state'> {
  readonly state: DocumentState;
  readonly partCount: number;
  readonly chunkCount: number;
  readonly parts: number;
  readonly chunks: number;
  readonly isWordless: boolean;
}

/** Documents in the tables `documents` and `document_parts`. */
export class PostgresDocumentStore extends DocumentStorePort {
  /** @param uploads a lane on which a commit of 10 MB holds up no send. */
  constructor(
    private readonly uploads: PostgresLane,
    private readonly reads: PostgresLane,
  ) {
    super();
  }

  async store(draft: DocumentDraft): Promise<StoredDocument> {
    return this.uploads.transaction(async (query) => {
      const { conversationId, ownerId, bodyHash } = draft;
      await query(LOCK, [ownerId]);
      const [found] = await query<CheckRow>(CHECK, [conversationId, ownerId, draft.key ?? null]);
      if (found?.isMember !== true) throw noSuchConversation();
      if (found.id !== null && found.createdAt !== null) {
        if (found.bodyHash !== bodyHash) throw documentKeyReused();
        return { replayed: true, document: acceptedAs(draft, found.id, found.createdAt) };
      }
      checkOpen(found, draft.text.length);
      return add(query, draft);
    });
  }

  find(id: DocumentId, reader: UserId): Promise<Document | undefined> {
    return this.findAs(id, reader);
  }

  findForService(id: DocumentId): Promise<Document | undefined> {
    return this.findAs(id, null);
  }

  async areIn(conversationIds: readonly ConversationId[]): Promise<boolean> {
    const [row] = await this.reads.query<{ isThere: boolean }>(ARE_IN, [conversationIds]);
    return row?.isThere === true;
  }

  async documentsOf(partIds: readonly string[]): Promise<Map<string, DocumentId>> {
    if (partIds.length === 0) return new Map();
    const rows = await this.reads.query<{ id: string; documentId: DocumentId }>(DOCUMENTS_OF, [partIds]);
    return new Map(rows.map(({ id, documentId }) => [id, documentId]));
  }

  async findParts(partIds: readonly string[], reader: UserId): Promise<FoundPart[]> {
    return partIds.length === 0 ? [] : this.reads.query<FoundPart>(PARTS, [partIds, reader]);
  }

  private async findAs(id: DocumentId, reader: UserId | null): Promise<Document | undefined> {
    const [row] = await this.reads.query<DocumentRow>(FIND, [id, reader]);
    if (row === undefined) return undefined;
    const { partCount, chunkCount, parts, chunks, isWordless, ...facts } = row;
    // Cut by another version of this code, a text may have got another number of chunks than was foreseen.
    const total = facts.state === 'done' ? chunks : Math.max(chunkCount, chunks);
    return {
      ...facts,
      state: facts.state === 'done' && isWordless ? 'indexing' : facts.state,
      parts: { indexed: parts, total: partCount },
      chunks: { indexed: chunks, total },
    };
  }
}

const add = async (query: Query, draft: DocumentDraft): Promise<StoredDocument> => {
  const { conversationId, ownerId, title, length, text, ends, chunkCount, bodyHash, key, requestId, traceparent } = draft;
  const id = newId();
  const event = newEvent('document.created', { documentId: id, conversationId, ownerId });
  const [row] = await query<{ createdAt: Date }>(ADD, [
    id,
    conversationId,
    ownerId,
    title,
    length,
    text.length,
    ends.length,
    chunkCount,
    key ?? null,
    bodyHash,
    ends.map(() => newId()),
    binaryTexts(partsOf(draft)),
    event.eventId,
    event,
    { requestId, traceparent },
  ]);
  if (row === undefined) throw new Error('Postgres did not return the document that it inserted');
  return { replayed: false, document: acceptedAs(draft, id, row.createdAt), event };
};
