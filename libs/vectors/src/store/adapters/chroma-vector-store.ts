import type { Collection as ChromaCollection, Where } from 'chromadb';
import { z } from 'zod';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { Breakers } from '#lib/resilience/call/breakers';
import { Semaphore, SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { currentDeadline } from '#lib/resilience/call/deadline';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { DependencyError } from '#lib/resilience/call/errors';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { Chunk, ScoredChunk } from '../../chunking/chunk.js';
import { type StoredChunk, type VectorFilter, VectorStorePort } from '../vector-store.port.js';
import type { ChunkDirectory } from './chunk-directory.js';
import { HttpFailure, UnusableAnswer } from '#lib/resilience/adapters/http/json-request';
import { ChromaApi, type ChromaEndpoint, MAX_RECORDS } from './chroma-api.js';

/** Where Chroma is and which collection of it is ours. */
export interface ChromaOptions extends ChromaEndpoint {
  /** The embedder's model and dimension: they name the collection. */
  readonly model: string;
  readonly dimension: number;
  /** `replace` calls that run at once (INDEX_WORKERS, R095); others wait. However many, Chroma gets one write at a time from us. */
  readonly indexWorkers?: number;
  /** For searching; without it every search goes through Chroma's filter. */
  readonly directory?: ChunkDirectory;
}

/** `parley-messages-<model-slug>-<dimension>`: a new model gets a collection of its own. */
export const collectionName = (model: string, dimension: number): string =>
  `parley-messages-${model
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')}-${dimension}`;

/** Asks whether Chroma answers, the way the store asks it: with what is in the URL, and with the token. */
export const chromaHeartbeat = (endpoint: ChromaEndpoint): ((signal: AbortSignal) => Promise<void>) => {
  const chroma = new ChromaApi(endpoint, 1);
  return (signal) => chroma.heartbeat(signal);
};

/** Vectors of a length that the collection does not hold. Not Chroma's fault: two models were mixed. */
export class VectorDimensionMismatch extends Error {
  constructor(
    readonly collection: string,
    readonly expected: number,
    readonly actual: number,
  ) {
    super(`collection ${collection} holds vectors of ${expected} dimensions, got one of ${actual}: is this the model it was made with?`);
    this.name = 'VectorDimensionMismatch';
  }
}

/** SQLite under Chroma takes 32,766 variables per statement; a `$in` of 40,000 answers 500 (measured with server 1.0.0). */
const MAX_IN = 10_000;
/** R102/R103: calls in flight. */
const MAX_CONNECTIONS = 32;
/** R096: writes that may wait. */
const INDEX_QUEUE_SIZE = 10_000;
/**
 * The server keeps its log in SQLite, where writers get in each other's way: batches of 100 go in at 2,800 vectors per second from one
 * writer, 2,400 from two, 700 from four, and on a busy machine eight run into the timeout (server 1.0.0, 2 cores; WAL mode helps little).
 * So each process sends one write at a time; reads are not held up by this.
 */
const WRITES_AT_ONCE = 1;

/**
 * Chroma's defaults but for `ef_search` (default 100): of the true 50 nearest among 10,000 vectors of 384 dimensions 0.97 (`local`) and 0.51
 * (random) are found with 100, 0.997 and 0.98 with 800, for less than 1 ms per query. More neighbours find as much, but make each overwrite
 * of a vector up to ten times dearer, and redelivered messages are overwrites (server 1.0.0, docs/performance/vectors.md).
 */
const HNSW = { space: 'cosine', max_neighbors: 16, ef_construction: 100, ef_search: 800 } as const;

/**
 * Post-filtering (ADR 13): of the nearest of all this many times `k`, at most this many, are checked for what the reader may see.
 * Enough for a reader of a third of everything; below `ef_search`.
 */
const OVERFETCH = 3;
const MAX_OVERFETCHED = 500;

const Collection = z.object({
  id: z.string(),
  dimension: z.int().nullish(),
  configuration_json: z.object({
    hnsw: z.object({ space: z.string() }).nullish(),
    spann: z.object({ space: z.string() }).nullish(),
  }),
});
const Nearest = z.object({ ids: z.tuple([z.array(z.string())]), distances: z.tuple([z.array(z.number())]) });
// Not each number of each vector: that takes longer than reading them.
const Embedded = z.object({ ids: z.array(z.string()), embeddings: z.array(z.custom<readonly number[]>(Array.isArray)) });
const Stored = z.object({
  ids: z.array(z.string()),
  // A record of another writer may have no version, or no metadata: version 0 marks it as none of ours.
  metadatas: z.array(z.object({ version: z.int().catch(0) }).nullable()),
});
const Ids = z.object({ ids: z.array(z.string()) });

/** A collection's id, or undefined when there is no collection to read from. */
type Resolve = (signal: AbortSignal) => Promise<string | undefined>;

/**
 * The vectors in Chroma. Nothing happens at construction: the collection is looked up with the first call
 * and made with the first write, and looked up again when Chroma says that it does not know it (dropped, restored from a backup).
 * Every call has its own limit and is cancelled at the server when it ends.
 */
export class ChromaVectorStore extends VectorStorePort {
  /** Name of the collection that holds this model's vectors. */
  readonly collection: string;
  private readonly chroma: ChromaApi;
  private readonly dimension: number;
  private readonly directory: ChunkDirectory | undefined;
  private readonly replacing: Semaphore;
  private readonly writing = new Semaphore('chroma.write', { concurrent: WRITES_AT_ONCE, queued: INDEX_QUEUE_SIZE });
  private readonly upserts: DependencyCall;
  private readonly deletes: DependencyCall;
  private readonly queries: DependencyCall;
  private readonly gets: DependencyCall;
  private collectionId: string | undefined;

  constructor({ url, token, model, dimension, indexWorkers = 8, directory }: ChromaOptions, breakers: Breakers) {
    super();
    this.dimension = dimension;
    this.directory = directory;
    this.collection = collectionName(model, dimension);
    this.chroma = new ChromaApi({ url, token }, MAX_CONNECTIONS);
    this.replacing = new Semaphore('chroma.index', { concurrent: indexWorkers, queued: INDEX_QUEUE_SIZE });
    const policy = { dependency: 'chroma', isItsFault: isChromasFault } as const;
    const write = { ...policy, timeoutMs: 10_000 };
    const read = { ...policy, timeoutMs: 2_000, bulkhead: { concurrent: MAX_CONNECTIONS, queued: 1_000 } };
    this.upserts = new DependencyCall({ ...write, operation: 'upsert' }, breakers);
    this.deletes = new DependencyCall({ ...write, operation: 'delete' }, breakers);
    this.queries = new DependencyCall({ ...read, operation: 'query' }, breakers);
    this.gets = new DependencyCall({ ...read, operation: 'get' }, breakers);
  }

  /**
   * Upserts first, then deletes what is left over: a crash in between leaves old pieces of a long text findable until the event
   * comes again, never a message without vectors. A new message costs one round trip.
   */
  async replace(
    chunks: readonly Chunk[],
    embeddings: readonly Float32Array[],
    { removed, mayHaveOlder }: { removed: readonly MessageId[]; mayHaveOlder?: readonly MessageId[] },
  ): Promise<void> {
    if (chunks.length !== embeddings.length) throw new RangeError(`${chunks.length} chunks, but ${embeddings.length} embeddings`);
    for (const embedding of embeddings) this.checkDimension(embedding);
    const records = ofNewestVersion(chunks, embeddings);
    await this.inTurn(this.replacing, 'upsert', async () => {
      // One after another, not all at once: they would only wait for each other, and the first failure ends the rest.
      for (const batch of inGroups(records, MAX_RECORDS)) await this.upsert(batch);
      await this.deleteSurplus(
        records.map(({ chunk }) => chunk),
        mayHaveOlder,
      );
      for (const group of inGroups([...new Set(removed)], MAX_IN)) await this.delete({ where: { messageId: { $in: group } } });
    });
  }

  async nearest(query: Float32Array, visible: readonly ConversationId[], k: number, filter: VectorFilter = {}): Promise<ScoredChunk[]> {
    this.checkDimension(query);
    if (visible.length === 0 || k < 1) return [];
    const conversations = new Set(visible);
    // Three ways, because none is cheap for every reader: docs/adr/0013-three-ways-to-the-nearest.md.
    const few = await this.directory?.allSeen(conversations, filter);
    if (few !== undefined) return bestOf(await this.scoreExactly(query, few), k);
    const among = await this.nearestOfAll(query, conversations, k, filter);
    if (among !== undefined) return among;
    const groups = inGroups([...conversations], MAX_IN);
    const found = await Promise.all(groups.map((group) => this.query(query, k, whereOf(group, filter))));
    return bestOf(found.flat(), k);
  }

  async chunksOf(messageIds: readonly MessageId[]): Promise<StoredChunk[]> {
    const groups = inGroups([...new Set(messageIds)], MAX_IN);
    return (await Promise.all(groups.map((group) => this.get({ messageId: { $in: group } })))).flat();
  }

  /** The cursor is a place in the order of insertion: reading on from it costs little even after 100,000 others (measured, server 1.0.0). */
  async chunkIdsFrom(cursor: string | undefined, limit: number): Promise<{ ids: string[]; next: string | undefined }> {
    const offset = Number(cursor ?? 0);
    const answer = await this.gets.run(async (signal) => {
      const found = await this.inCollection('get', this.forReading, signal, (records) => records.get({ limit, offset, include: [] }));
      return found === undefined ? undefined : parse(Ids, 'get', found);
    });
    const ids = answer?.ids ?? [];
    return { ids, next: ids.length < limit ? undefined : String(offset + limit) };
  }

  async remove(chunkIds: readonly string[]): Promise<void> {
    for (const ids of inGroups([...new Set(chunkIds)], MAX_RECORDS)) await this.delete({ ids });
  }

  async chunkIdsOfSender(senderId: UserId, limit: number): Promise<string[]> {
    const answer = await this.gets.run(async (signal) => {
      const found = await this.inCollection('get', this.forReading, signal, (records) =>
        records.get({ where: { senderId }, limit, include: [] }),
      );
      return found === undefined ? undefined : parse(Ids, 'get', found);
    });
    return answer?.ids ?? [];
  }

  /** Closes the connections. Calls in flight fail. */
  override close(): void {
    this.chroma.close();
  }

  /** The `k` nearest that the reader sees, when they are among the nearest of all; otherwise undefined. */
  private async nearestOfAll(
    query: Float32Array,
    visible: ReadonlySet<ConversationId>,
    k: number,
    filter: VectorFilter,
  ): Promise<ScoredChunk[] | undefined> {
    if (this.directory === undefined) return undefined;
    const nearest = await this.query(query, Math.min(OVERFETCH * k, MAX_OVERFETCHED));
    if (nearest.length < k) return undefined;
    const messageIds = new Set(nearest.map(({ messageId }) => messageId));
    const seen = await this.directory.seenAmong([...messageIds], visible, filter);
    const found = nearest.filter(({ messageId }) => seen.has(messageId));
    return found.length < k ? undefined : found.slice(0, k);
  }

  /** The similarity of each of these chunks to `query`, without the index: exact, and only as dear as there are chunks. */
  private async scoreExactly(query: Float32Array, chunkIds: readonly string[]): Promise<ScoredChunk[]> {
    if (chunkIds.length === 0) return []; // Chroma takes an empty list for no condition
    const startedAt = performance.now();
    const compared = await this.queries.run(async (signal) => {
      const found = await this.inCollection('get', this.forReading, signal, (records) =>
        records.get({ ids: [...chunkIds], include: ['embeddings'] }),
      );
      if (found === undefined) return [];
      const { ids, embeddings } = parse(Embedded, 'get', found);
      return ids.map((id, i) => ({ id, messageId: messageIdOf(id), score: similarity(query, embeddings[i] ?? []) }));
    });
    metrics.vectorQueryTime.observe((performance.now() - startedAt) / 1_000);
    return compared;
  }

  private async upsert(records: readonly ChunkRecord[]): Promise<void> {
    let startedAt = 0;
    await this.inTurn(this.writing, 'upsert', () => {
      startedAt = performance.now();
      return this.upserts.run((signal) =>
        this.inCollection('upsert', this.forWriting, signal, (collection) => collection.upsert(recordSetOf(records))),
      );
    });
    metrics.vectorUpsertDuration.observe((performance.now() - startedAt) / 1_000);
  }

  /**
   * Deletes what is left of older versions; a newer version's chunks stay. Asks first, because a delete by range of `version` would read
   * the metadata of the whole collection, and because most edits leave nothing behind.
   */
  private async deleteSurplus(chunks: readonly Chunk[], mayHaveOlder: readonly MessageId[] | undefined): Promise<void> {
    const suspects = mayHaveOlder === undefined ? undefined : new Set(mayHaveOlder);
    const versions = new Map<MessageId, number>();
    for (const { messageId, version } of chunks) if (suspects?.has(messageId) ?? true) versions.set(messageId, version);
    if (versions.size === 0) return;
    const current = new Set(chunks.map(({ id }) => id));
    const stored = await this.chunksOf([...versions.keys()]);
    const surplus = stored.filter(({ id, messageId, version }) => !current.has(id) && version <= (versions.get(messageId) ?? 0));
    for (const group of inGroups(surplus, MAX_IN)) await this.delete({ ids: group.map(({ id }) => id) });
  }

  private async delete(which: { ids: string[] } | { where: Where }): Promise<void> {
    await this.inTurn(this.writing, 'delete', () =>
      this.deletes.run((signal) => this.inCollection('delete', this.forReading, signal, (records) => records.delete(which))),
    );
  }

  private async inTurn<T>(semaphore: Semaphore, operation: string, work: () => Promise<T>): Promise<T> {
    try {
      return await semaphore.run(work, { signal: currentDeadline()?.signal });
    } catch (error) {
      throw error instanceof SemaphoreFull ? new DependencyError('chroma', operation, 'overloaded') : error;
    }
  }

  private async query(query: Float32Array, k: number, where?: Where): Promise<ScoredChunk[]> {
    const startedAt = performance.now();
    const queryEmbeddings = [Array.from(query)];
    const answer = await this.queries.run(async (signal) => {
      const found = await this.inCollection('query', this.forReading, signal, (records) =>
        records.query({ queryEmbeddings, nResults: k, include: ['distances'], ...(where === undefined ? {} : { where }) }),
      );
      return found === undefined ? undefined : parse(Nearest, 'query', found);
    });
    metrics.vectorQueryTime.observe((performance.now() - startedAt) / 1_000);
    if (answer === undefined) return [];
    const [ids] = answer.ids;
    const [distances] = answer.distances;
    // Chroma knows no logins: an id that is not one of ours belongs to a record of another writer.
    return ids.flatMap((id, i) =>
      CHUNK_ID.test(id) ? [{ id, messageId: messageIdOf(id), score: asCosine(1 - (distances[i] ?? 2)) }] : [],
    );
  }

  private async get(where: Where): Promise<StoredChunk[]> {
    const answer = await this.gets.run(async (signal) => {
      const found = await this.inCollection('get', this.forReading, signal, (records) => records.get({ where, include: ['metadatas'] }));
      return found === undefined ? undefined : parse(Stored, 'get', found);
    });
    if (answer === undefined) return [];
    return answer.ids.map((id, i) => ({ id, messageId: messageIdOf(id), version: answer.metadatas[i]?.version ?? 0 }));
  }

  /** Calls with the collection's id, and once more with a fresh one when Chroma does not know it. Undefined without a collection. */
  private async inCollection<T>(
    operation: string,
    resolve: Resolve,
    signal: AbortSignal,
    work: (records: ChromaCollection) => Promise<T>,
  ): Promise<T | undefined> {
    const call = (id: string) => this.chroma.inCollection(operation, id, signal, work);
    const known = this.collectionId;
    if (known !== undefined) {
      try {
        return await call(known);
      } catch (error) {
        if (!(error instanceof HttpFailure) || error.status !== 404) throw this.readable(error);
        if (this.collectionId === known) this.collectionId = undefined;
      }
    }
    const id = this.collectionId ?? (await resolve(signal));
    if (id === undefined) return undefined;
    this.collectionId = id;
    try {
      return await call(id);
    } catch (error) {
      throw this.readable(error);
    }
  }

  /** Makes the collection if it is not there. */
  private readonly forWriting: Resolve = async (signal) =>
    this.checked(await this.chroma.getOrCreateCollection(this.collection, HNSW, signal));

  /** Readers do not make collections: only the indexer writes (R009). */
  private readonly forReading: Resolve = async (signal) => {
    try {
      return this.checked(await this.chroma.describeCollection(this.collection, signal));
    } catch (error) {
      if (error instanceof HttpFailure && error.status === 404) return undefined;
      throw error;
    }
  };

  private checked(answer: unknown): string {
    const { id, dimension, configuration_json: configuration } = parse(Collection, 'collection', answer);
    if (typeof dimension === 'number' && dimension !== this.dimension) {
      throw new VectorDimensionMismatch(this.collection, dimension, this.dimension);
    }
    const space = configuration.hnsw?.space ?? configuration.spann?.space;
    if (space !== 'cosine') throw new UnusableAnswer('collection', `${this.collection} measures ${space ?? 'nothing'}, not cosine`);
    return id;
  }

  private checkDimension(embedding: Float32Array): void {
    if (embedding.length !== this.dimension) throw new VectorDimensionMismatch(this.collection, this.dimension, embedding.length);
  }

  private readable(error: unknown): unknown {
    if (!(error instanceof HttpFailure) || error.status !== 400) return error;
    const [, expected, actual] = /dimension of (\d+), got (\d+)/.exec(error.body) ?? [];
    return expected === undefined ? error : new VectorDimensionMismatch(this.collection, Number(expected), Number(actual));
  }
}

interface ChunkRecord {
  readonly chunk: Chunk;
  readonly embedding: Float32Array;
}

/** Two versions of one chunk in one call: the newer one stays, since Chroma would take either. */
function ofNewestVersion(chunks: readonly Chunk[], embeddings: readonly Float32Array[]): ChunkRecord[] {
  const records = new Map<string, ChunkRecord>();
  const newest = new Map<MessageId, number>();
  for (const { messageId, version } of chunks) newest.set(messageId, Math.max(version, newest.get(messageId) ?? 0));
  chunks.forEach((chunk, i) => {
    const embedding = embeddings[i];
    if (embedding !== undefined && chunk.version === newest.get(chunk.messageId)) records.set(chunk.id, { chunk, embedding });
  });
  return [...records.values()];
}

/**
 * A vector that writes itself into JSON as 32-bit floats in base64: a quarter of the bytes of numbers. The client can do that too, but byte by
 * byte, for 9 ms of CPU per batch of 100. It looks at an embedding only to see a non-empty array of numbers, so one number stands for all.
 */
const encodedVector = ({ buffer, byteOffset, byteLength }: Float32Array): number[] =>
  Object.assign([0], { toJSON: () => Buffer.from(buffer, byteOffset, byteLength).toString('base64') });

const recordSetOf = (records: readonly ChunkRecord[]) => ({
  ids: records.map(({ chunk }) => chunk.id),
  embeddings: records.map(({ embedding }) => encodedVector(embedding)),
  metadatas: records.map(({ chunk }) => ({
    messageId: chunk.messageId,
    conversationId: chunk.conversationId,
    senderId: chunk.senderId,
    seq: chunk.seq,
    version: chunk.version,
    createdAtMs: chunk.createdAtMs,
    ...(chunk.documentId === undefined ? { kind: 'message' } : { kind: 'document', documentId: chunk.documentId }),
  })),
});

function whereOf(conversationIds: readonly ConversationId[], { senderId, fromMs, toMs, kind }: VectorFilter): Where {
  const clauses: Where[] = [{ conversationId: { $in: [...conversationIds] } }];
  if (senderId !== undefined) clauses.push({ senderId });
  if (kind !== undefined) clauses.push({ kind });
  if (fromMs !== undefined) clauses.push({ createdAtMs: { $gte: fromMs } });
  if (toMs !== undefined) clauses.push({ createdAtMs: { $lte: toMs } });
  const [only] = clauses;
  return clauses.length === 1 && only !== undefined ? only : { $and: clauses };
}

/** The best `k`; equal ones in the order of their ids. */
const bestOf = (chunks: readonly ScoredChunk[], k: number): ScoredChunk[] =>
  chunks.toSorted((one, other) => other.score - one.score || (one.id < other.id ? -1 : 1)).slice(0, k);

/** Of vectors of unit length, as ours are. */
function similarity(query: Float32Array, embedding: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < query.length; i += 1) sum += (query[i] ?? 0) * (embedding[i] ?? 0);
  if (Number.isNaN(sum)) throw new UnusableAnswer('get', 'a vector that is not made of numbers');
  return asCosine(sum);
}

/** Rounding in 32 bits may leave the range by a hair. */
const asCosine = (value: number): number => Math.max(-1, Math.min(1, value));

const CHUNK_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}#chunk_\d{1,9}$/;

const messageIdOf = (chunkId: string): MessageId => chunkId.slice(0, chunkId.indexOf('#'));

function inGroups<T>(items: readonly T[], size: number): T[][] {
  const groups: T[][] = [];
  for (let start = 0; start < items.length; start += size) groups.push(items.slice(start, start + size));
  return groups;
}

function parse<Schema extends z.ZodType>(schema: Schema, what: string, answer: unknown): z.infer<Schema> {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw new UnusableAnswer(what, `unexpected shape at ${result.error.issues[0]?.path.join('.') ?? ''}`);
}

/** Answers that speak about the request prove that Chroma works. 401, 403 and 404 speak about the set-up: nothing is gained by going on. */
const isChromasFault = (error: unknown): boolean => {
  if (error instanceof VectorDimensionMismatch) return false;
  return !(error instanceof HttpFailure && (error.status === 400 || error.status === 413 || error.status === 422));
};
