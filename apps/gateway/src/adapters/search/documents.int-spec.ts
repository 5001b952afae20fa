import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { PostgresDocumentWords } from '#lib/conversations/documents/adapters/postgres-document-words';
import { IndexDocumentWords } from '#lib/conversations/documents/index-document-words';
import { createLogger } from '#lib/runtime/log/logger';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { PostgresChunkDirectory } from '#lib/vectors/store/adapters/postgres-chunk-directory';
import { PostgresLexicalIndex } from './postgres-lexical-index.js';

let database: MigratedDatabase;
let index: PostgresLexicalIndex;
const words = () => new PostgresDocumentWords(database.lane('work'));
const makeWords = () => new IndexDocumentWords(words(), createLogger('test', 'silent')).execute(new AbortController().signal);

beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
  index = new PostgresLexicalIndex(database.lane('reads'));
});
afterAll(() => database.drop());

/** A document of these parts; each has `chunks` chunks in the ledger. @returns the ids of its parts. */
const store = async (conversationId: string, texts: readonly string[], { ownerId = 'alice', at = 0, chunks = 1 } = {}) => {
  const [documentId, ids] = [newId(), texts.map(() => newId())];
  await database.lane('work').query(
    `WITH document AS (
       INSERT INTO documents (id, conversation_id, owner_id, title, length, bytes, part_count, chunk_count, body_hash, created_at)
       VALUES ($1, $2, $3, 'x', 1, 1, $4::int, $4::int * $5::int, '', $6)
     ), parts AS (
       INSERT INTO document_parts (id, document_id, conversation_id, owner_id, created_at, place, content)
       SELECT part.id, $1, $2, $3, $6, part.place, part.content
         FROM ROWS FROM (unnest($7::uuid[]), unnest($8::text[])) WITH ORDINALITY AS part (id, content, place)
     )
     INSERT INTO message_chunks (message_id, version, chunk_count, model, state) SELECT unnest($7::uuid[]), 1, $5, 'test', 'indexed'`,
    [documentId, conversationId, ownerId, texts.length, chunks, new Date(at), ids, texts],
  );
  return ids;
};
const found = async (...question: Parameters<PostgresLexicalIndex['findParts']>) =>
  (await index.findParts(...question)).map(({ messageId }) => messageId);

describe('the words of documents in Postgres', () => {
  it('are made for every part, and then none waits', async () => {
    const ids = await store(
      newId(),
      Array.from({ length: 40 }, (_, i) => `part ${i}`),
    );
    expect((await words().waiting(100)).toSorted()).toEqual(ids.toSorted());
    await Promise.all([makeWords(), makeWords()]);
    expect(await words().waiting(100)).toEqual([]);
  });

  it('find parts with all words before those with some, without accents, the last one unfinished, for members alone', async () => {
    const [mine, theirs] = [newId(), newId()];
    const [both, one, none] = await store(mine, ['Cà phê rang xay của cô Ba', 'cà rốt', 'nothing of the kind']);
    await store(theirs, ['cà phê']);
    expect(await found('ca phe', [mine], 10)).toEqual([]);
    await makeWords();
    expect(await found('ca phe', [mine], 10)).toEqual([both, one]);
    expect(await found('rang xa', [mine], 10)).toEqual([both]);
    expect(await found("ca' | phe:* & !", [mine], 10)).toEqual([both, one]);
    expect(await found('nothing', [mine], 10)).toEqual([none]);
    expect(await found('nothing', [], 10)).toEqual([]);
    const scores = await index.findParts('ca phe', [mine], 10);
    expect(scores[0]?.score).toBeGreaterThanOrEqual(1);
    expect(scores[1]?.score).toBeLessThan(1);
  });

  it('are found by owner and by time, and no more of them than asked for', async () => {
    const mine = newId();
    const [old] = await store(mine, ['quince'], { at: Date.UTC(2026, 0, 1) });
    const [young] = await store(mine, ['quince'], { ownerId: 'bob', at: Date.UTC(2026, 0, 2) });
    await makeWords();
    expect(await found('quince', [mine], 10, { senderId: 'bob' })).toEqual([young]);
    expect(await found('quince', [mine], 10, { toMs: Date.UTC(2026, 0, 1) })).toEqual([old]);
    expect(await found('quince', [mine], 10, { fromMs: Date.UTC(2026, 0, 2) })).toEqual([young]);
    expect(await found('quince', [mine], 1)).toHaveLength(1);
  });
});

describe('the chunk directory', () => {
  it('knows the chunks of documents when it is asked for documents, and no others', async () => {
    const directory = new PostgresChunkDirectory(database.lane('reads'));
    const [mine, theirs] = [newId(), newId()];
    const [one = '', two = ''] = await store(mine, ['a', 'b'], { chunks: 2 });
    const [other = ''] = await store(theirs, ['c']);
    const kind = 'document';
    expect((await directory.allSeen(new Set([mine]), { kind }))?.toSorted()).toEqual(
      [one, two].flatMap((id) => [`${id}#chunk_0`, `${id}#chunk_1`]).sort(),
    );
    expect([...(await directory.seenAmong([one, other, newId()], new Set([mine]), { kind }))]).toEqual([one]);
    expect([...(await directory.seenAmong([one], new Set([mine]), { kind, senderId: 'bob' }))]).toEqual([]);
    expect([...(await directory.seenAmong([one], new Set([mine]), { kind: 'message' }))]).toEqual([]);
    await store(mine, ['large'], { chunks: 1_001 });
    expect(await directory.allSeen(new Set([mine]), { kind })).toBeUndefined();
  });
});
