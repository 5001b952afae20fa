import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { eventually } from '#lib/testing/eventually';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { conversationFeedContract, type FeedSetup } from '../conversation-feed.contract.js';
import { conversationStoreContract } from '../conversation-store.contract.js';
import { messageStoreContract } from '../message-store.contract.js';
import { recentMessagesContract } from '../recent-messages.contract.js';
import { PostgresConversationFeed } from './postgres-conversation-feed.js';
import { PostgresConversationStore } from './postgres-conversation-store.js';
import { PostgresMessageStore } from './postgres-message-store.js';
import { PostgresRecentMessages } from './postgres-recent-messages.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(async () => database.drop());

const make = async (): Promise<FeedSetup & { recent: PostgresRecentMessages }> => {
  await database
    .lane('work')
    .query('TRUNCATE conversations, conversation_members, conversation_keys, departed_members, membership_usage, messages, outbox');
  return {
    feed: new PostgresConversationFeed(database.lane('reads')),
    recent: new PostgresRecentMessages(database.lane('reads')),
    messages: new PostgresMessageStore(database.lane('sends'), database.lane('reads'), database.lane('edits')),
    conversations: new PostgresConversationStore(database.dataSource, database.lane('reads')),
    limited: (limits) => new PostgresConversationStore(database.dataSource, database.lane('reads'), limits),
    announced: () =>
      database
        .lane('work')
        .query<{ event: ParleyEvent; headers: EventHeaders }>('SELECT envelope AS event, headers FROM outbox ORDER BY event_id'),
  };
};

messageStoreContract(make);
conversationStoreContract(make);
conversationFeedContract(make);
recentMessagesContract(make);

it('a reader of very many conversations in Postgres sees those that it started or read in first, and learns that there are more', async () => {
  const { conversations } = await make();
  const own = await conversations.create({ title: null, creatorId: 'alice', memberIds: [] });
  const read = await conversations.create({ title: null, creatorId: 'bob', memberIds: ['alice'] });
  const work = database.lane('work');
  await work.query(`
    WITH flood AS (
      INSERT INTO conversations (id, creator_id, created_at, last_activity_at)
      SELECT gen_random_uuid(), 'mallory', now(), now() + interval '1 hour' FROM generate_series(1, 10000) RETURNING id
    )
    INSERT INTO conversation_members (conversation_id, user_id) SELECT id, 'alice' FROM flood`);
  await work.query(`UPDATE conversation_members SET read_seq = 1 WHERE conversation_id = $1 AND user_id = 'alice'`, [read.id]);
  const { ids, isCut } = await conversations.visibleTo('alice');
  expect([ids.length, new Set(ids.slice(0, 2)), isCut]).toEqual([10_000, new Set([own.id, read.id]), true]);
});

it('a reader of very many conversations in Postgres learns in a moment which of 100 users, a bot in very many others among them, share one', async () => {
  const { conversations } = await make();
  const work = database.lane('work');
  const flood = (count: number, members: string) =>
    work.query(`
      WITH flood AS (
        INSERT INTO conversations (id, creator_id, created_at, last_activity_at)
        SELECT gen_random_uuid(), 'mallory', now(), now() FROM generate_series(1, ${count}) RETURNING id
      )
      INSERT INTO conversation_members (conversation_id, user_id) SELECT id, unnest(${members}) FROM flood`);
  const strangers = Array.from({ length: 98 }, (_, i) => `stranger-${i}`);
  await flood(10_000, `ARRAY['alice']`);
  await flood(10_000, `ARRAY['bot']`);
  await flood(500, `ARRAY[${strangers.map((name) => `'${name}'`).join()}]`);
  await conversations.create({ title: null, creatorId: 'alice', memberIds: ['bob'] });

  const startedAt = performance.now();
  expect(await conversations.sharingWith('alice', ['bob', 'bot', ...strangers])).toEqual(new Set(['bob']));
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});

it('the removal of a member waits for an erasure that ends the same membership: neither is refused for a deadlock', async () => {
  const { conversations } = await make();
  const { id } = await conversations.create({ title: null, creatorId: 'alice', memberIds: ['bob'] });
  let removal: Promise<unknown> | undefined;
  await database.lane('edits').transaction(async (query) => {
    await query('SELECT FROM conversations WHERE id = $1 FOR NO KEY UPDATE', [id]);
    removal = conversations.removeMember(id, 'alice', 'bob');
    await eventually(async () => {
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      expect(await database.lane('work').query(waiting)).toHaveLength(1);
    });
    await query(`DELETE FROM conversation_members WHERE conversation_id = $1 AND user_id = 'bob'`, [id]);
  });
  expect(await removal).toEqual({});
});

it('the quota of a day counts in Postgres for all processes together, and begins anew the next day', async () => {
  await make();
  const limits = { conversationsPerDay: 5, additionsPerDay: 0 };
  const storeOn = async (lane: PostgresLane) => new PostgresConversationStore(await LaneDataSource.over(lane), lane, limits);
  const stores = await Promise.all([1, 2].map(() => storeOn(database.otherLanes({}).lane('reads'))));
  const start = (store: PostgresConversationStore) => store.create({ title: null, creatorId: 'alice', memberIds: [] });
  const starts = await Promise.allSettled(stores.flatMap((store) => Array.from({ length: 6 }, () => start(store))));
  expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
  await database.lane('work').query(`UPDATE membership_usage SET day = day - 1`);
  expect(await Promise.all(stores.map(start))).toHaveLength(2);
});

it('the feed reads by its indexes, also when tables are large', async () => {
  await make();
  const work = database.lane('work');
  const id = '01920000-0000-7000-8000-000000000001';
  await work.query(
    `INSERT INTO conversations (id, creator_id, created_at, last_activity_at, head_seq) VALUES ($1, 'alice', now(), now(), 20000)`,
    [id],
  );
  await work.query(
    `INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at, edited_at)
     SELECT gen_random_uuid(), $1, i, 'alice', 'text', now(), CASE WHEN i % 1000 = 0 THEN now() END FROM generate_series(1, 20000) i`,
    [id],
  );
  await work.query(
    `INSERT INTO conversation_members (conversation_id, user_id, joined_at) SELECT $1, 'user-' || i, now() - interval '1 day' FROM generate_series(1, 9000) i`,
    [id],
  );
  await work.query('ANALYZE messages, conversation_members');
  const plans: string[] = [];
  const explaining = {
    query: async (statement: { text: string }, values: unknown[]) => {
      const literal = statement.text.replace(/\$(\d)/g, (_, i) => literalOf(values[Number(i) - 1]));
      plans.push((await work.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${literal}`)).map((row) => row['QUERY PLAN']).join('\n'));
      return [];
    },
  } as unknown as PostgresLane;
  const feed = new PostgresConversationFeed(explaining);
  await feed.changes([id], { after: { at: new Date(0), id } });
  await feed.page(id, 100);
  await feed.seqAtJoining({ conversationId: id, userId: 'user-7' });
  await feed.joinings(['user-7'], new Date()).catch(() => undefined);
  expect(plans.map((plan) => [/Seq Scan/.test(plan), /messages_changes|messages_seq|by_joining|by_user|members_pkey/.test(plan)])).toEqual(
    plans.map(() => [false, true]),
  );
  expect([plans[0]?.includes('messages_changes'), plans.length]).toEqual([true, 4]);
});

it('a page of changes costs what it holds, however many changes there are', async () => {
  const { feed } = await make();
  const work = database.lane('work');
  const id = '01920000-0000-7000-8000-000000000001';
  await work.query(
    `INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at, edited_at)
     SELECT gen_random_uuid(), $1, i, 'alice', 'text', now(), now() + i * interval '1 ms' FROM generate_series(1, 20000) i`,
    [id],
  );
  await work.query('ANALYZE messages');
  const readRows: number[] = [];
  const explaining = {
    query: async (statement: { text: string }, values: unknown[]) => {
      const literal = statement.text.replace(/\$(\d)/g, (_, i) => literalOf(values[Number(i) - 1]));
      const plan = await work.query<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE, TIMING off) ${literal}`);
      const scans = plan.filter((row) => /Scan.* on messages/.test(row['QUERY PLAN']));
      readRows.push(...scans.map((row) => Number(/actual rows=(\d+)/.exec(row['QUERY PLAN'])?.[1])));
      return [];
    },
  } as unknown as PostgresLane;
  await new PostgresConversationFeed(explaining).changes([id, crypto.randomUUID()], { after: { at: new Date(0), id } });
  expect(Math.max(...readRows)).toBeLessThan(1_000);

  const seqs: number[] = [];
  for (let after: { at: Date; id: string } | undefined = { at: new Date(0), id }; after !== undefined && seqs.length < 1_000; ) {
    const page = await feed.changes([id], { after });
    seqs.push(...page.messages.map(({ seq }) => seq));
    after = page.next;
  }
  expect(seqs).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
});

const literalOf = (value: unknown): string => {
  if (Array.isArray(value)) return `'{${value.join(',')}}'`;
  if (value instanceof Date) return `'${value.toISOString()}'::timestamptz`;
  return typeof value === 'number' ? String(value) : `'${String(value)}'`;
};
