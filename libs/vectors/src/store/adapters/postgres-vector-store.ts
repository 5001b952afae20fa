import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { DependencyError } from '#lib/resilience/call/errors';
import { TimeSlices } from '#lib/runtime/work/time-slices';
import type { Chunk, ScoredChunk } from '../../chunking/chunk.js';
import { type StoredChunk, type VectorFilter, VectorStorePort } from '../vector-store.port.js';
import { type HeldVector, HeldVectors } from './held-vectors.js';
import { NearestFew } from './nearest-few.js';

/**
 * Not among the migrations: only the embedded mode has it. `position` orders pages; `collection` is the model and its dimension, so that a new
 * model begins with nothing. Vectors are not compressed (nothing repeats in them), which would cost time with each read.
 */
const TABLE = `
  CREATE SCHEMA IF NOT EXISTS embedded;
  CREATE TABLE IF NOT EXISTS embedded.vectors (
    collection text NOT NULL,
    chunk_id text NOT NULL,
    position bigserial NOT NULL,
    message_id text NOT NULL,
    conversation_id text NOT NULL,
    sender_id text NOT NULL,
    is_document boolean NOT NULL,
    version integer NOT NULL,
    created_at_ms bigint NOT NULL,
    embedding bytea NOT NULL,
    PRIMARY KEY (collection, chunk_id)
  );
  ALTER TABLE embedded.vectors ALTER COLUMN embedding SET STORAGE EXTERNAL;
  CREATE INDEX IF NOT EXISTS vectors_by_message ON embedded.vectors (collection, message_id);
  CREATE INDEX IF NOT EXISTS vectors_by_conversation ON embedded.vectors (collection, conversation_id, position);
  CREATE INDEX IF NOT EXISTS vectors_by_sender ON embedded.vectors (collection, sender_id);
  CREATE INDEX IF NOT EXISTS vectors_by_position ON embedded.vectors (collection, position)`;

const PUT = {
  name: 'vectors-put',
  text: `
    INSERT INTO embedded.vectors (collection, chunk_id, message_id, conversation_id, sender_id, is_document, version, created_at_ms, embedding)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::int[], $8::bigint[], $9::bytea[])
    ON CONFLICT (collection, chunk_id) DO UPDATE SET version = excluded.version, embedding = excluded.embedding,
      message_id = excluded.message_id, conversation_id = excluded.conversation_id, sender_id = excluded.sender_id,
      is_document = excluded.is_document, created_at_ms = excluded.created_at_ms`,
};

const DROP_SURPLUS = {
  name: 'vectors-drop-surplus',
  text: `
    DELETE FROM embedded.vectors USING unnest($2::text[], $3::int[]) AS suspects (message_id, version)
    WHERE vectors.collection = $1 AND vectors.message_id = suspects.message_id AND vectors.version <= suspects.version
      AND vectors.chunk_id <> ALL ($4::text[])
    RETURNING chunk_id AS id, conversation_id AS "conversationId"`,
};

const DROP_MESSAGES = {
  name: 'vectors-drop-messages',
  text: `DELETE FROM embedded.vectors WHERE collection = $1 AND message_id = ANY ($2) RETURNING chunk_id AS id, conversation_id AS "conversationId"`,
};

const DROP = {
  name: 'vectors-drop',
  text: `DELETE FROM embedded.vectors WHERE collection = $1 AND chunk_id = ANY ($2) RETURNING chunk_id AS id, conversation_id AS "conversationId"`,
};

const OF_MESSAGES = {
  name: 'vectors-of-messages',
  text: `SELECT chunk_id AS id, message_id AS "messageId", version FROM embedded.vectors WHERE collection = $1 AND message_id = ANY ($2)`,
};

const PAGE = {
  name: 'vectors-page',
  text: `SELECT chunk_id AS id, position::text FROM embedded.vectors WHERE collection = $1 AND position > $2 ORDER BY position LIMIT $3`,
};

const OF_SENDER = {
  name: 'vectors-of-sender',
  text: `SELECT chunk_id AS id FROM embedded.vectors WHERE collection = $1 AND sender_id = $2 LIMIT $3`,
};

const OF_CONVERSATIONS = {
  name: 'vectors-of-conversations',
  text: `
    SELECT chunk_id AS id, position::text, message_id AS "messageId", conversation_id AS "conversationId", sender_id AS "senderId",
           is_document AS "isDocument", created_at_ms::float8 AS "createdAtMs", embedding
    FROM embedded.vectors
    WHERE collection = $1 AND conversation_id = ANY ($2) AND (conversation_id, position) > ($3, $4)
    ORDER BY conversation_id, position LIMIT $5`,
};

interface Row {
  readonly id: string;
  readonly position: string;
  readonly messageId: MessageId;
  readonly conversationId: ConversationId;
  readonly senderId: UserId;
  readonly isDocument: boolean;
  readonly createdAtMs: number;
  readonly embedding: Buffer;
}

/** Vectors read at once: 3 MB at 384 dimensions. */
const PAGE_SIZE = 2_000;

/** Vectors of which model, and how much of them may be in memory. */
export interface PostgresVectorsOptions {
  readonly model: string;
  readonly dimension: number;
  /** Bytes of vectors that searches find in memory; what does not fit is read for each search. */
  readonly cacheBytes: number;
}

/**
 * The vectors in the table `embedded.vectors`, which it makes, compared one by one in this process: exact, and cheap enough as long as one
 * process is enough. What searches have read stays in memory, conversation by conversation, within a limit. One process at a time writes.
 */
export class PostgresVectorStore extends VectorStorePort {
  private readonly collection: string;
  private readonly held: HeldVectors;

  constructor(
    private readonly lane: PostgresLane,
    private readonly options: PostgresVectorsOptions,
  ) {
    super();
    this.collection = `${options.model}-${options.dimension}`;
    this.held = new HeldVectors(options.cacheBytes);
  }

  /** Makes the table. @throws DependencyError when Postgres cannot. */
  async open(): Promise<void> {
    await this.lane.query(TABLE);
  }

  /** Whether it answers. @throws DependencyError when Postgres does not. */
  async check(): Promise<void> {
    await this.chunkIdsFrom(undefined, 1);
  }

  async replace(
    chunks: readonly Chunk[],
    embeddings: readonly Float32Array[],
    { removed, mayHaveOlder }: { removed: readonly MessageId[]; mayHaveOlder?: readonly MessageId[] },
  ): Promise<void> {
    if (chunks.length !== embeddings.length) throw new RangeError(`${chunks.length} chunks, but ${embeddings.length} embeddings`);
    for (const embedding of embeddings) this.checkDimension(embedding);
    const newest = new Map<MessageId, number>();
    for (const { messageId, version } of chunks) newest.set(messageId, Math.max(version, newest.get(messageId) ?? 0));
    const byId = new Map<string, HeldVector & { readonly version: number }>();
    chunks.forEach((chunk, i) => {
      const embedding = embeddings[i];
      // A copy: what callers hold belongs to their cache.
      if (embedding !== undefined && chunk.version === newest.get(chunk.messageId)) byId.set(chunk.id, vectorOf(chunk, embedding.slice()));
    });
    // Batches that have chunks in common lock them in the same order, or each would wait for the other.
    const vectors = [...byId.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
    const suspects = mayHaveOlder === undefined ? [...newest.keys()] : mayHaveOlder.filter((messageId) => newest.has(messageId));
    const write = this.lane.transaction(async (query) => {
      if (vectors.length > 0) await query(PUT, [this.collection, ...columnsOf(vectors)]);
      const versions = suspects.map((messageId) => newest.get(messageId));
      const ids = chunks.map(({ id }) => id);
      const surplus = suspects.length === 0 ? [] : await query<Gone>(DROP_SURPLUS, [this.collection, suspects, versions, ids]);
      const dropped = removed.length === 0 ? [] : await query<Gone>(DROP_MESSAGES, [this.collection, removed]);
      return [...surplus, ...dropped];
    });
    this.held.drop(await this.orClear(write));
    this.held.put(vectors);
  }

  async nearest(query: Float32Array, visible: readonly ConversationId[], k: number, filter: VectorFilter = {}): Promise<ScoredChunk[]> {
    this.checkDimension(query);
    const best = new NearestFew(query, k, filter);
    const slices = new TimeSlices();
    const missing: ConversationId[] = [];
    for (const conversationId of new Set(visible)) {
      const held = this.held.of(conversationId);
      if (held === undefined) missing.push(conversationId);
      else await offerAll(best, held, slices);
    }
    for await (const vectors of this.read(missing)) await offerAll(best, vectors, slices);
    return best.found();
  }

  async chunksOf(messageIds: readonly MessageId[]): Promise<StoredChunk[]> {
    return this.lane.query<StoredChunk>(OF_MESSAGES, [this.collection, [...new Set(messageIds)]]);
  }

  async chunkIdsFrom(cursor: string | undefined, limit: number): Promise<{ ids: string[]; next: string | undefined }> {
    const rows = await this.lane.query<{ id: string; position: string }>(PAGE, [this.collection, cursor ?? '0', limit]);
    return { ids: rows.map(({ id }) => id), next: rows.length < limit ? undefined : rows.at(-1)?.position };
  }

  async remove(chunkIds: readonly string[]): Promise<void> {
    if (chunkIds.length > 0) this.held.drop(await this.orClear(this.lane.query<Gone>(DROP, [this.collection, chunkIds])));
  }

  async chunkIdsOfSender(senderId: UserId, limit: number): Promise<string[]> {
    return (await this.lane.query<{ id: string }>(OF_SENDER, [this.collection, senderId, limit])).map(({ id }) => id);
  }

  /** Reads these conversations page by page, and holds them for the next search as far as there is room. */
  private async *read(conversations: readonly ConversationId[]): AsyncGenerator<HeldVector[]> {
    if (conversations.length === 0) return;
    const reading = this.held.begin(conversations);
    try {
      let [conversationId, position] = ['', '0'];
      for (;;) {
        const rows = await this.lane.query<Row>(OF_CONVERSATIONS, [this.collection, conversations, conversationId, position, PAGE_SIZE]);
        const vectors = rows.map((row) => ({ ...row, embedding: floatsOf(row.embedding) }));
        reading.add(vectors);
        yield vectors;
        const last = rows.at(-1);
        if (last === undefined || rows.length < PAGE_SIZE) break;
        [conversationId, position] = [last.conversationId, last.position];
      }
      reading.end();
    } finally {
      // Also when Postgres fails or the search is given up.
      reading.abandon();
    }
  }

  /** A write that got no answer may be committed all the same. */
  private async orClear<T>(write: Promise<T>): Promise<T> {
    try {
      return await write;
    } catch (error) {
      const wasRefused = error instanceof DependencyError && (error.kind === 'open' || error.kind === 'overloaded');
      if (!wasRefused) this.held.clear();
      throw error;
    }
  }

  private checkDimension(embedding: Float32Array): void {
    const { dimension } = this.options;
    if (embedding.length !== dimension) throw new RangeError(`this store holds ${dimension} dimensions, got ${embedding.length}`);
  }
}

const offerAll = async (best: NearestFew, vectors: Iterable<HeldVector>, slices: TimeSlices): Promise<void> => {
  for (const vector of vectors) {
    best.offer(vector);
    if (slices.isOver) await slices.next();
  }
};

/** A chunk that is not stored any more. */
type Gone = Pick<HeldVector, 'id' | 'conversationId'>;

const vectorOf = (chunk: Chunk, embedding: Float32Array): HeldVector & { readonly version: number } => {
  const { id, messageId, conversationId, senderId, createdAtMs, version, documentId } = chunk;
  return { id, messageId, conversationId, senderId, createdAtMs, version, isDocument: documentId !== undefined, embedding };
};

const columnsOf = (vectors: readonly (HeldVector & { readonly version: number })[]): unknown[] => [
  vectors.map(({ id }) => id),
  vectors.map(({ messageId }) => messageId),
  vectors.map(({ conversationId }) => conversationId),
  vectors.map(({ senderId }) => senderId),
  vectors.map(({ isDocument }) => isDocument),
  vectors.map(({ version }) => version),
  vectors.map(({ createdAtMs }) => createdAtMs),
  vectors.map(({ embedding }) => Buffer.from(embedding.buffer, embedding.byteOffset, embedding.byteLength)),
];

/** A copy that begins where a number may begin. */
const floatsOf = (bytes: Buffer): Float32Array => new Float32Array(Uint8Array.from(bytes).buffer);
