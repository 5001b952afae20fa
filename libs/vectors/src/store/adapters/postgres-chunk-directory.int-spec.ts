import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { PostgresChunkDirectory } from './postgres-chunk-directory.js';

describe('the chunk directory in Postgres', () => {
  let database: MigratedDatabase;
  let directory: PostgresChunkDirectory;
  beforeAll(async () => {
    database = await migratedDatabase(inject('stack').databaseUrl);
    directory = new PostgresChunkDirectory(database.lane('reads'));
  });
  afterAll(async () => database.drop());

  const query = (text: string, values: readonly unknown[] = []) => database.lane('work').query(text, values);
  const [mine, theirs] = [newId(), newId()];
  /** `count` messages of `conversationId`, with one chunk each unless said otherwise. Oldest first. */
  const store = async (conversationId: string, count: number, { chunks = 1, senderId = 'alice', at = 0 } = {}): Promise<string[]> => {
    const ids = Array.from({ length: count }, newId);
    await query(
      `WITH head AS (
         INSERT INTO conversations AS c (id, creator_id, created_at, last_activity_at, head_seq) VALUES ($1, 'alice', now(), now(), $3)
         ON CONFLICT (id) DO UPDATE SET head_seq = c.head_seq + $3 RETURNING head_seq
       ), stored AS (
         INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at)
         SELECT id, $1, head_seq - $3 + n, $4, 'hello', $5 FROM head, unnest($2::uuid[]) WITH ORDINALITY AS m (id, n)
       )
       INSERT INTO message_chunks (message_id, version, chunk_count, model, state) SELECT unnest($2::uuid[]), 1, $6, 'test', 'indexed'`,
      [conversationId, ids, count, senderId, new Date(at), chunks],
    );
    return ids;
  };
  beforeEach(async () => {
    await query('TRUNCATE messages, message_chunks');
    await query('DELETE FROM conversations');
    await store(newId(), 1_000); // others, beside whom one reader's messages are few
    await query('ANALYZE messages');
  });

  it('tells which messages stand in conversations that are visible, and passes on nothing else', async () => {
    const [own] = await store(mine, 1);
    const [other] = await store(theirs, 1);
    const seen = await directory.seenAmong([own ?? '', other ?? '', newId()], new Set([mine]), {});
    expect([...seen]).toEqual([own]);
    expect(await directory.seenAmong([own ?? ''], new Set(), {})).toEqual(new Set());
  });

  it('lists every chunk of what is visible, and of nothing else', async () => {
    const [short = ''] = await store(mine, 1);
    const [long = ''] = await store(mine, 1, { chunks: 3 });
    await store(mine, 1, { chunks: 0 });
    await store(theirs, 2);
    const ids = await directory.allSeen(new Set([mine, newId()]), {});
    expect(ids?.toSorted()).toEqual([`${short}#chunk_0`, `${long}#chunk_0`, `${long}#chunk_1`, `${long}#chunk_2`].sort());
    expect(await directory.allSeen(new Set([newId()]), {})).toEqual([]);
  });

  it('leaves out what is deleted and what is not indexed yet', async () => {
    const [gone, kept, fresh] = await store(mine, 3);
    await query('UPDATE messages SET deleted_at = now() WHERE id = $1', [gone]);
    await query('DELETE FROM message_chunks WHERE message_id = $1', [fresh]);
    expect(await directory.allSeen(new Set([mine]), {})).toEqual([`${kept}#chunk_0`]);
    expect([...(await directory.seenAmong([gone ?? '', kept ?? ''], new Set([mine]), {}))]).toEqual([kept]);
  });

  it('narrows by sender and by time, both ends included', async () => {
    const [early = ''] = await store(mine, 1, { at: 1_000 });
    const [late = ''] = await store(mine, 1, { at: 3_000, senderId: 'bob' });
    const visible = new Set([mine]);
    for (const [filter, expected] of [
      [{ senderId: 'bob' }, [late]],
      [{ toMs: 1_000 }, [early]],
      [{ fromMs: 3_000 }, [late]],
      [{ fromMs: 1_001, toMs: 2_999 }, []],
    ] as const) {
      expect([...(await directory.seenAmong([early, late], visible, filter))]).toEqual(expected);
      expect(await directory.allSeen(visible, filter)).toEqual(expected.map((id) => `${id}#chunk_0`));
    }
  });

  it('lists the chunks of a few messages also where they are a large share, or the table was never counted', async () => {
    await store(mine, 64);
    expect(await directory.allSeen(new Set([mine]), {})).toHaveLength(64);
    await query(`UPDATE pg_class SET reltuples = -1 WHERE oid = 'messages'::regclass`);
    expect(await directory.allSeen(new Set([mine]), {})).toHaveLength(64);
  });

  it('lists nothing for a reader of a large share, many messages, many chunks or many conversations', async () => {
    await store(mine, 100);
    expect(await directory.allSeen(new Set([mine]), {})).toBeUndefined();
    await store(theirs, 2, { chunks: 600 });
    expect(await directory.allSeen(new Set([theirs]), {})).toBeUndefined();
    expect(await directory.allSeen(new Set(Array.from({ length: 1_001 }, newId)), {})).toBeUndefined();
    await query(`UPDATE pg_class SET reltuples = 1e6 WHERE oid = 'messages'::regclass`);
    expect(await directory.allSeen(new Set([mine]), {})).toHaveLength(100);
    await store(mine, 901);
    expect(await directory.allSeen(new Set([mine]), {})).toBeUndefined();
  });
});
