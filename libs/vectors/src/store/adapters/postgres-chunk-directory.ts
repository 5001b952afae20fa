import type { ConversationId, MessageId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import type { VectorFilter } from '../vector-store.port.js';
import type { ChunkDirectory } from './chunk-directory.js';

/** Messages, and chunks, that are few: their vectors are fetched as JSON, 6 kB each. */
const FEW = 1_000;
/**
 * And one message in so many. To fetch a vector and compare it here takes 0.06 ms of CPU; a filter makes Chroma walk past all that it does not
 * let through, 0.001 ms each (server 1.0.0, docs/performance/search.md).
 */
const FEW_IN = 64;
/** So few are compared one by one in a table of any size: 4 ms. Beside a writer who deletes, the index missed the best of 15 in 10 of 300 queries (24,000 vectors). */
const FEW_ALWAYS = 64;

// $1-$3 filter
const FILTER = `
  m.deleted_at IS NULL
  AND ($1::text IS NULL OR m.sender_id = $1)
  AND ($2::timestamptz IS NULL OR m.created_at >= $2)
  AND ($3::timestamptz IS NULL OR m.created_at <= $3)`;

const PLACES = {
  name: 'chunk-directory-places',
  text: `SELECT m.id, m.conversation_id AS "conversationId" FROM messages m WHERE m.id = ANY ($4::uuid[]) AND ${FILTER}`,
};

// Where a conversation has got to is how many messages it has had.
const HAS_FEW = {
  name: 'chunk-directory-has-few',
  text: `
    SELECT coalesce(sum(head_seq), 0) <= (SELECT least(${FEW}, greatest(${FEW_ALWAYS}, reltuples / ${FEW_IN})) FROM pg_class WHERE oid = 'messages'::regclass) AS "hasFew"
    FROM conversations WHERE id = ANY ($1::uuid[])`,
};

// OFFSET 0: one after the other, because a join would read all messages, or all of their chunks, first. The limit is for what came in since they
// were counted.
const CHUNKS = {
  name: 'chunk-directory-chunks',
  text: `
    SELECT own.id, held.chunk_count AS "chunkCount"
    FROM (
      SELECT m.id
      FROM unnest($4::uuid[]) AS visible (id)
      CROSS JOIN LATERAL (SELECT m.id FROM messages m WHERE m.conversation_id = visible.id AND ${FILTER} OFFSET 0) AS m
      LIMIT ${FEW}
    ) own
    CROSS JOIN LATERAL (SELECT chunk_count FROM message_chunks WHERE message_id = own.id OFFSET 0) AS held`,
};

// $1-$3 filter
const PART_FILTER = `
  ($1::text IS NULL OR p.owner_id = $1)
  AND ($2::timestamptz IS NULL OR p.created_at >= $2)
  AND ($3::timestamptz IS NULL OR p.created_at <= $3)`;

/** The same of documents: a part is to chunks what a message is. */
const ofDocuments = {
  places: {
    name: 'chunk-directory-part-places',
    text: `SELECT p.id, p.conversation_id AS "conversationId" FROM document_parts p WHERE p.id = ANY ($4::uuid[]) AND ${PART_FILTER}`,
  },
  hasFew: {
    name: 'chunk-directory-has-few-parts',
    text: `SELECT coalesce(sum(chunk_count), 0) <= ${FEW} AS "hasFew" FROM documents WHERE conversation_id = ANY ($1::uuid[])`,
  },
  chunks: {
    name: 'chunk-directory-part-chunks',
    text: `
      SELECT own.id, held.chunk_count AS "chunkCount"
      FROM (SELECT p.id FROM document_parts p WHERE p.conversation_id = ANY ($4::uuid[]) AND ${PART_FILTER} LIMIT ${FEW}) own
      CROSS JOIN LATERAL (SELECT chunk_count FROM message_chunks WHERE message_id = own.id OFFSET 0) AS held`,
  },
};
const ofMessages = { places: PLACES, hasFew: HAS_FEW, chunks: CHUNKS };
const statementsFor = ({ kind }: VectorFilter) => (kind === 'document' ? ofDocuments : ofMessages);

/** The directory in the tables `messages`, `document_parts` and `message_chunks`. */
export class PostgresChunkDirectory implements ChunkDirectory {
  constructor(private readonly lane: PostgresLane) {}

  async seenAmong(messageIds: readonly MessageId[], visible: ReadonlySet<ConversationId>, filter: VectorFilter): Promise<Set<MessageId>> {
    const rows = await this.lane.query<{ id: MessageId; conversationId: ConversationId }>(statementsFor(filter).places, [
      ...valuesOf(filter),
      messageIds,
    ]);
    return new Set(rows.filter(({ conversationId }) => visible.has(conversationId)).map(({ id }) => id));
  }

  async allSeen(visible: ReadonlySet<ConversationId>, filter: VectorFilter): Promise<string[] | undefined> {
    // Each conversation has a message; to be told so of 10,000 takes 10 ms.
    if (visible.size > FEW) return undefined;
    const [reader] = await this.lane.query<{ hasFew: boolean }>(statementsFor(filter).hasFew, [[...visible]]);
    if (reader?.hasFew !== true) return undefined;
    const rows = await this.lane.query<{ id: MessageId; chunkCount: number }>(statementsFor(filter).chunks, [
      ...valuesOf(filter),
      [...visible],
    ]);
    const ids = rows.flatMap(({ id, chunkCount }) => Array.from({ length: chunkCount }, (_, i) => `${id}#chunk_${i}`));
    return ids.length > FEW ? undefined : ids;
  }
}

const valuesOf = ({ senderId, fromMs, toMs }: VectorFilter): unknown[] => [senderId ?? null, dateOf(fromMs), dateOf(toMs)];

const dateOf = (ms: number | undefined): Date | null => (ms === undefined ? null : new Date(ms));
