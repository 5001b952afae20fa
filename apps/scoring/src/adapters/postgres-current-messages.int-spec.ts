import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { MessageEvent } from '#lib/contracts/events';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { PostgresMessageSignals } from '#lib/scores/signals/adapters/postgres-message-signals';
import { aMessageCreated, deletionOf, editOf } from '#lib/testing/builders';
import { migratedDatabase, type MigratedDatabase } from '#lib/testing/migrated-database';
import { currentMessagesContract } from '../signals/current-messages.contract.js';
import { ScoreMessages } from '../signals/score-messages.js';
import { PostgresCurrentMessages } from './postgres-current-messages.js';

/** What the gateway commits before it publishes the event. */
const commitTo =
  (lane: PostgresLane) =>
  async ({ type, data }: MessageEvent): Promise<void> => {
    const { messageId, conversationId, seq, senderId, version, createdAt } = data;
    const [content, editedAt] = ['content' in data ? data.content : '', type === 'message.edited' ? createdAt : null];
    await lane.query(
      `INSERT INTO messages (id, conversation_id, seq, sender_id, version, created_at, edited_at, deleted_at, content)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       ON CONFLICT (id) DO UPDATE SET version = excluded.version, edited_at = excluded.edited_at, deleted_at = excluded.deleted_at,
         content = excluded.content`,
      [messageId, conversationId, seq, senderId, version, createdAt, editedAt, type === 'message.deleted' ? createdAt : null, content],
    );
  };

currentMessagesContract('PostgresCurrentMessages', async () => {
  const database = await migratedDatabase(inject('stack').databaseUrl);
  const work = database.lane('work');
  return { messages: new PostgresCurrentMessages(work), commit: commitTo(work), stop: database.drop };
});

describe('several processes that score the same messages', () => {
  let database: MigratedDatabase;
  beforeAll(async () => {
    database = await migratedDatabase(inject('stack').databaseUrl);
  });
  afterAll(() => database.drop());

  it('leave the signals of the newest version, in whatever order they handle what happened', async () => {
    const work = database.lane('work');
    const [commit, signals] = [commitTo(work), new PostgresMessageSignals(work)];
    const process = () => new ScoreMessages(new PostgresCurrentMessages(work), signals);
    const created = Array.from({ length: 40 }, (_, i) => aMessageCreated({ seq: i + 1, content: 'a statement' }));
    const edited = created.map((event) => editOf(event, 'is it a question?'));
    const deleted = created.slice(0, 20).map((event) => deletionOf(event, 3));
    const committing = (async () => {
      for (const event of [...created, ...edited, ...deleted]) await commit(event);
    })();
    const events: MessageEvent[] = [...created, ...edited, ...deleted];
    await Promise.all(Array.from({ length: 4 }, (_, i) => process().handle(i % 2 === 0 ? events : events.toReversed())));
    await committing;
    await Promise.all(Array.from({ length: 3 }, (_, i) => process().handle(i % 2 === 0 ? events : events.toReversed())));
    const rows = await signals.of(created.map(({ data }) => data.messageId));
    const stateOf = ({ data }: MessageEvent) => [rows.get(data.messageId)?.version, rows.get(data.messageId)?.state];
    expect(created.slice(0, 20).map(stateOf)).toEqual(deleted.map(() => [3, 'removed']));
    expect(created.slice(20).map(stateOf)).toEqual(created.slice(20).map(() => [2, 'scored']));
    expect(rows.get(created[30]?.data.messageId ?? '')?.signals).toMatchObject({ isQuestion: true, language: 'en' });
  });
});
