import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { MemoryObjectStore } from '#lib/objects/adapters/memory-object-store';
import { PostgresConversationEndStore } from '#lib/scores/ends/adapters/postgres-conversation-end-store';
import type { ConversationEndRecord } from '#lib/scores/ends/conversation-end-store.port';
import { endedEvent } from '#lib/scores/ends/end-facts';
import { MAX_TRANSCRIPT_LENGTH } from '#lib/scores/transcript';
import { migratedDatabase, type MigratedDatabase } from '#lib/testing/migrated-database';
import { StoreLogs } from '../logs/store-logs.js';
import { StoredTranscripts } from './stored-transcripts.js';

let database: MigratedDatabase;
let ends: PostgresConversationEndStore;
let transcripts: StoredTranscripts;
const objects = new MemoryObjectStore();
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
  ends = new PostgresConversationEndStore(database.dataSource);
  transcripts = new StoredTranscripts(ends, objects, database.lane('work'));
});
afterAll(() => database.drop());

const query = (text: string, values: unknown[]) => database.lane('work').query(text, values);

/** A conversation whose messages were sent by these in turn. */
const conversation = async (said: readonly (readonly [sender: string, content: string])[]): Promise<string> => {
  const id = newId();
  await query(`INSERT INTO conversations (id, creator_id, head_seq, created_at, last_activity_at) VALUES ($1, 'alice', $2, now(), now())`, [
    id,
    said.length,
  ]);
  await query(`INSERT INTO conversation_members (conversation_id, user_id) VALUES ($1, 'alice'), ($1, 'bob')`, [id]);
  for (const [i, [sender, content]] of said.entries())
    await query(`INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at) VALUES ($1, $2, $3, $4, $5, now())`, [
      newId(),
      id,
      i + 1,
      sender,
      content,
    ]);
  return id;
};
const draft = (conversationId: string, log?: Buffer) => ({
  conversationId,
  userId: 'alice',
  startTime: new Date(),
  endTime: new Date(),
  bodyHash: 'a',
  log,
});
const ended = async (conversationId: string, log?: Buffer): Promise<ConversationEndRecord> =>
  (await ends.end(draft(conversationId, log))).end;

describe('the transcript of an end', () => {
  it('is the messages of its range, without those that are deleted', async () => {
    const id = await conversation([
      ['alice', 'hi'],
      ['bob', 'hello'],
      ['alice', 'gone'],
    ]);
    const end = await ended(id);
    await query('UPDATE messages SET deleted_at = now(), version = version + 1 WHERE conversation_id = $1 AND seq = 3', [id]);
    const transcript = await transcripts.of(end);
    expect(transcript).toMatchObject({
      conversationId: id,
      userId: 'alice',
      turns: [
        { role: 'user', content: 'hi' },
        { role: 'bot', content: 'hello' },
      ],
      turnCounts: { user: 1, bot: 1 },
    });
    await query(`UPDATE messages SET content = 'hi!', version = version + 1 WHERE conversation_id = $1 AND seq = 1`, [id]);
    expect((await transcripts.of(end))?.fingerprint).not.toBe(transcript?.fingerprint);
  });

  it('is as long as it may be, of the newest messages', async () => {
    const id = await conversation(Array.from({ length: 12 }, (_, i) => ['alice', `${i}${'x'.repeat(4_000)}`] as const));
    const transcript = await transcripts.of(await ended(id));
    expect(transcript?.turnCounts).toEqual({ user: 12, bot: 0 });
    expect(transcript?.turns.map(({ content }) => content.slice(0, 2))).toEqual(['7x', '8x', '9x', '10', '11']);
    expect(transcript?.turns.reduce((sum, { content }) => sum + content.length, 0)).toBeLessThanOrEqual(MAX_TRANSCRIPT_LENGTH);
  });

  it('has no turns where nothing was said, and the same fingerprint each time', async () => {
    const end = await ended(await conversation([]));
    const transcript = await transcripts.of(end);
    expect(transcript).toMatchObject({ turns: [], turnCounts: { user: 0, bot: 0 } });
    expect(await transcripts.of(end)).toEqual(transcript);
  });

  it('is its log, where that is: staged, then stored; and none when it is gone', async () => {
    const end = await ended('robot-7', gzipSync('{"role":"user","content":"hi"}\n{"role":"bot","content":"hello"}\n'));
    const staged = await transcripts.of(end);
    expect(staged).toMatchObject({ turns: [{ content: 'hi' }, { content: 'hello' }], turnCounts: { user: 1, bot: 1 } });
    await new StoreLogs(ends, objects).handle([endedEvent(end)]);
    expect(await ends.stagedLog(end.id)).toBeUndefined();
    expect(await transcripts.of(end)).toEqual(staged);
    objects.objects.clear();
    expect(await transcripts.of(end)).toBeUndefined();
  });
});
