import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { IndexingEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { withDeadline } from '#lib/resilience/call/deadline';
import { aMessageCreated, deletionOf, editOf } from '#lib/testing/builders';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { migratedDatabase, type MigratedDatabase } from '#lib/testing/migrated-database';
import { ChromaVectorStore } from '#lib/vectors/store/adapters/chroma-vector-store';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { PostgresChunkLedger } from '#lib/vectors/ledger/adapters/postgres-chunk-ledger';
import { PostgresVectorWrites } from '#lib/vectors/store/adapters/postgres-vector-writes';
import { currentMessagesContract } from '../current-messages.contract.js';
import { IndexMessages } from '../index-messages.js';
import { WriteVectors } from '../write-vectors.js';
import { PostgresCurrentMessages } from './postgres-current-messages.js';

/** What the gateway commits before it publishes the event. */
const commitTo = (lane: PostgresLane) => async (event: IndexingEvent) => {
  const { messageId, conversationId, seq, senderId, version, createdAt } = event.data;
  const text = 'content' in event.data ? event.data.content : null;
  await lane.query(
    `INSERT INTO messages (id, conversation_id, seq, sender_id, version, created_at, edited_at, deleted_at, content)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (id) DO UPDATE SET version = excluded.version, edited_at = excluded.edited_at, deleted_at = excluded.deleted_at,
       content = excluded.content`,
    [
      messageId,
      conversationId,
      seq,
      senderId,
      version,
      createdAt,
      event.type === 'message.edited' ? event.data.editedAt : null,
      text === null ? createdAt : null,
      text ?? '',
    ],
  );
};

currentMessagesContract('PostgresCurrentMessages', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  const work = database.lane('work');
  return {
    messages: new PostgresCurrentMessages(work),
    ledger: new PostgresChunkLedger(database.lanes),
    commit: commitTo(work),
    stop: database.drop,
  };
});

describe('a part of a document', () => {
  it('is read as a message that never changes', async () => {
    const database = await migratedDatabase(inject('stack').databaseUrl);
    const [partId, documentId, conversationId] = [newId(), newId(), newId()];
    await database.lane('work').query(
      `INSERT INTO document_parts (id, document_id, conversation_id, created_at, place, owner_id, content)
       VALUES ($1, $2, $3, '2026-01-31T09:30:00Z', 7, 'alice', 'a text')`,
      [partId, documentId, conversationId],
    );
    const found = await new PostgresCurrentMessages(database.lane('work')).of([partId]);
    const createdAt = '2026-01-31T09:30:00.000Z';
    const facts = { messageId: partId, documentId, conversationId, senderId: 'alice', seq: 7, version: 1, content: 'a text' };
    expect([...found.values()]).toEqual([{ ...facts, createdAt, changedAt: new Date(createdAt), entry: undefined }]);
    await database.drop();
  });
});

/** R2 on the real servers: A reaches Chroma through a proxy that makes it slow, B directly. */
describe('two indexers on one Postgres and one Chroma', () => {
  const model = `race-${newId()}`;
  let database: MigratedDatabase;
  let proxy: FaultProxy;
  let direct: ChromaVectorStore;
  let slow: ChromaVectorStore;

  const indexer = (vectors: ChromaVectorStore) => {
    const work = database.lane('work');
    return new IndexMessages(
      new PostgresCurrentMessages(work),
      new PostgresChunkLedger(database.lanes),
      new LocalEmbedder(),
      vectors,
      new WriteVectors(vectors, new PostgresVectorWrites(work)),
    );
  };
  const versionsOf = async (messageId: string) => (await direct.chunksOf([messageId])).map(({ version }) => version);
  const unsettled = async (messageId: string) =>
    (await new PostgresVectorWrites(database.lane('work')).unsettled(0, 0, 100)).filter(({ messageIds }) => messageIds.includes(messageId));

  beforeAll(async () => {
    const { databaseUrl, chromaUrl } = inject('stack');
    database = await migratedDatabase(databaseUrl);
    proxy = await FaultProxy.before(chromaUrl);
    const store = (url: string) => new ChromaVectorStore({ url, model, dimension: 384 }, createBreakers());
    [direct, slow] = [store(chromaUrl), store(proxy.through(chromaUrl))];
    const warm = aMessageCreated();
    await commitTo(database.lane('work'))(warm);
    await indexer(slow).handle([warm]);
  });
  beforeEach(() => proxy.heal());
  afterAll(async () => {
    slow.close();
    direct.close();
    await Promise.all([proxy.stop(), database.drop()]);
  });

  it.each([1, 2, 3])('keep the newest version when the slower write lands last, try %i', async () => {
    const [a, b, commit] = [indexer(slow), indexer(direct), commitTo(database.lane('work'))];
    const [message, gone] = [aMessageCreated({ content: 'an old text about tea' }), aMessageCreated()];
    const [edit, deletion] = [editOf(message, 'a new text about coffee'), deletionOf(gone)];
    await Promise.all([message, gone].map(commit));
    await proxy.set({ kind: 'latency', ms: 300 });
    const older = a.handle([message, gone]);
    // A has read version 1 and is on its way to Chroma when its note stands.
    await expect.poll(() => unsettled(message.data.messageId), { timeout: 10_000 }).toHaveLength(1);
    await Promise.all([edit, deletion].map(commit));
    await b.handle([edit, deletion]);
    await older;
    expect(await versionsOf(message.data.messageId)).toEqual([2]);
    expect(await versionsOf(gone.data.messageId)).toEqual([]);
    expect(await unsettled(message.data.messageId)).toEqual([]);
  });

  it('leave a note of a write that got no answer', async () => {
    const message = aMessageCreated();
    await commitTo(database.lane('work'))(message);
    await proxy.set({ kind: 'hang' });
    await expect(withDeadline(300, () => indexer(slow).handle([message]))).rejects.toThrow(/deadline|timeout/);
    await expect.poll(() => unsettled(message.data.messageId), { timeout: 10_000 }).toHaveLength(1);
    await proxy.heal();
    await indexer(direct).handle([message]);
    expect(await versionsOf(message.data.messageId)).toEqual([1]);
    expect(await unsettled(message.data.messageId)).toHaveLength(1); // it is for ops to see that nothing comes of it
  });
});
