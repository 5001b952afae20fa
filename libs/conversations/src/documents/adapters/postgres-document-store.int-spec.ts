import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { loopHoldDuring } from '#lib/testing/loop-hold';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { PostgresConversationStore } from '../../adapters/postgres-conversation-store.js';
import { aDocument, documentStoreContract } from '../document-store.contract.js';
import { PostgresDocumentIndexing } from './postgres-document-indexing.js';
import { PostgresDocumentStore } from './postgres-document-store.js';

const worldOn = (database: MigratedDatabase) => {
  const conversations = new PostgresConversationStore(database.dataSource, database.lane('reads'));
  const query = database.lane('work').query.bind(database.lane('work'));
  return {
    documents: new PostgresDocumentStore(database.lane('edits'), database.lane('reads')),
    start: async (creatorId = '', ...memberIds: string[]) => (await conversations.create({ title: null, creatorId, memberIds })).id,
    leave: async (conversationId: string, member: string) => void (await conversations.removeMember(conversationId, member, member)),
    announced: async (id: string) =>
      (await query(`SELECT FROM outbox WHERE routing_key = 'document.created' AND envelope -> 'data' ->> 'documentId' = $1`, [id])).length,
    partIds: async (id: string) =>
      (await query<{ id: string }>('SELECT id FROM document_parts WHERE document_id = $1 ORDER BY place', [id])).map((row) => row.id),
  };
};

documentStoreContract('PostgresDocumentStore', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  return { ...worldOn(database), stop: () => database.drop() };
});

describe('documents in Postgres', () => {
  let database: MigratedDatabase;
  beforeAll(async () => {
    database = await migratedDatabase(inject('stack').databaseUrl);
  });
  afterAll(() => database.drop());

  it('ten megabytes are one commit well within its deadline, and the event loop hardly notices', async () => {
    const world = worldOn(database);
    const ownerId = `user-${newId()}`;
    const conversationId = await world.start(ownerId);
    const draft = aDocument(
      Array.from({ length: 640 }, (_, i) => `part ${i} `.repeat(1_638).slice(0, 16_384)),
      { conversationId, ownerId },
    );
    const startedAt = performance.now();
    let partCount = 0;
    const hold = await loopHoldDuring(async () => {
      partCount = (await world.documents.store(draft)).document.parts.total;
    });
    expect(partCount).toBe(640);
    // Some 300 ms on a quiet machine, and 15 ms of the loop; a lane gives it 3 s.
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(hold.maxMs).toBeLessThan(200);
  });

  it('its indexing goes on where the ledger ends, and is done when it has said so', async () => {
    const world = worldOn(database);
    const indexing = new PostgresDocumentIndexing(database.lane('work'));
    const ownerId = `user-${newId()}`;
    const conversationId = await world.start(ownerId);
    const { id } = (await world.documents.store(aDocument(['one', 'two', 'three'], { conversationId, ownerId }))).document;
    const [one = '', two = '', three = ''] = await world.partIds(id);
    expect(await indexing.begin(newId())).toBe(false);
    expect(await indexing.begin(id)).toBe(true);
    expect(await indexing.partsToIndex(id, 'm')).toEqual([one, two, three]);
    const insert = `INSERT INTO message_chunks (message_id, version, chunk_count, model, state) VALUES ($1, 1, 4, $2, $3)`;
    await database.lane('work').query(insert, [one, 'm', 'indexed']);
    await database.lane('work').query(insert, [two, 'of another model', 'indexed']);
    await database.lane('work').query(insert, [three, 'm', 'failed']);
    expect(await indexing.partsToIndex(id, 'm')).toEqual([two, three]);
    expect(await world.documents.find(id, ownerId)).toMatchObject({ state: 'indexing', parts: { indexed: 2, total: 3 } });
    await database.lane('work').query(`UPDATE message_chunks SET model = 'm', state = 'indexed'`);
    await indexing.end(id, 'done');
    // Found by meaning, but not by words yet.
    expect(await world.documents.find(id, ownerId)).toMatchObject({ state: 'indexing', chunks: { indexed: 12, total: 12 } });
    await database.lane('work').query(`UPDATE document_parts SET words = '' WHERE document_id = $1`, [id]);
    expect(await world.documents.find(id, ownerId)).toMatchObject({ state: 'done' });
    await indexing.end(id, 'failed');
    expect(await world.documents.find(id, ownerId)).toMatchObject({ state: 'done' });
  });
});
