import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { PostgresTextIndex } from '#lib/conversations/adapters/postgres-text-index';
import { IndexTexts } from '#lib/conversations/index-texts';
import { migrate } from '#lib/database/adapters/migrate';
import type { PostgresLane } from '#lib/database/adapters/postgres-lane';
import { PostgresLanes } from '#lib/database/adapters/postgres-lanes';
import type { Message } from '#lib/conversations/message';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { createLogger } from '#lib/runtime/logger';
import { type FreshPlace, freshDatabase } from '#lib/testing/databases';
import { lexicalIndexContract } from '../search/lexical-index.contract.js';
import { PostgresLexicalIndex } from './postgres-lexical-index.js';

const logger = createLogger('test', 'fatal');
let database: FreshPlace;
let lanes: PostgresLanes;

beforeAll(async () => {
  database = await freshDatabase(inject('stack').databaseUrl);
  await migrate({ url: database.url, logger });
  lanes = new PostgresLanes({
    url: database.url,
    applicationName: 'parley-test',
    lanes: { reads: 2 },
    acquireTimeoutMs: 1_000,
    statementTimeoutMs: 3_000,
    slowQueryMs: 1_000,
    breakers: createBreakers(),
    logger,
  });
});
afterAll(async () => {
  await lanes.close();
  await database.drop();
});

const insert = async (messages: readonly Message[]): Promise<void> => {
  await lanes.lane('reads').query(
    `INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at, deleted_at)
     SELECT * FROM json_to_recordset($1) AS m(
       "id" uuid, "conversationId" uuid, "seq" bigint, "senderId" text, "content" text, "createdAt" timestamptz, "deletedAt" timestamptz)`,
    [JSON.stringify(messages)],
  );
};

/** Says of conversations that they have had so many messages. */
const grow = async (conversationIds: readonly string[], headSeq: number): Promise<void> => {
  await lanes.lane('reads').query(
    `INSERT INTO conversations (id, creator_id, created_at, last_activity_at, head_seq) SELECT DISTINCT unnest($1::uuid[]), 'alice', now(), now(), $2::bigint
     ON CONFLICT (id) DO UPDATE SET head_seq = $2::bigint`,
    [conversationIds, headSeq],
  );
};

const indexTexts = () => new IndexTexts(new PostgresTextIndex(lanes.lane('reads')), logger).execute(new AbortController().signal);

const aMessageLike = (facts: Pick<Message, 'id' | 'conversationId' | 'content'>): Message => ({
  seq: 1_000_000,
  senderId: 'alice',
  version: 1,
  createdAt: new Date('2025-12-31T00:00:00.000Z'),
  ...facts,
});

describe('the lexical index in Postgres', () => {
  beforeEach(async () => {
    await lanes.lane('reads').query('TRUNCATE messages, message_texts, texts_to_index');
  });

  const anIndex = () => new PostgresLexicalIndex(lanes.lane('reads'));

  describe.each([
    ['much', 1_000_000],
    ['little', 10],
  ])('for a reader of %s', (_, headSeq) => {
    lexicalIndexContract(async () => ({
      index: anIndex(),
      add: async (messages) => {
        await insert(messages);
        await grow(
          messages.map(({ conversationId }) => conversationId),
          headSeq,
        );
        await indexTexts();
      },
    }));
  });

  it('answers from its indexes, not by reading all messages', async () => {
    const conversationId = '019a0000-0000-7000-8000-000000000001';
    await lanes.lane('reads').query(
      `INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at)
       SELECT gen_random_uuid(), $1, n, 'alice', 'the message number ' || n || ' of many, said by somebody', now() FROM generate_series(1, 20000) n`,
      [conversationId],
    );
    await indexTexts();
    await lanes.lane('reads').query('ANALYZE message_texts');
    await grow([conversationId], 20_000);
    const index = anIndex();
    const timed = async (query: string) => {
      const startedAt = performance.now();
      const hits = await index.find(query, [conversationId], 100);
      return { hits, ms: performance.now() - startedAt };
    };
    await timed('warm up');
    const exact = await timed('number 17342');
    expect(exact.hits.length).toBeGreaterThan(0);
    const typo = await timed('sombody');
    expect(typo.hits).toHaveLength(100);
    // Reading all 20,000 takes several times this; the limit is wide because the machine is shared.
    expect(exact.ms).toBeLessThan(1_000);
    expect(typo.ms).toBeLessThan(2_000);
  });

  describe('among more messages than it counts as recent', () => {
    const [busy, quiet] = ['019a0000-0000-7000-8000-000000000001', '019a0000-0000-7000-8000-000000000002'];
    const idAt = (ms: number) =>
      `${ms
        .toString(16)
        .padStart(12, '0')
        .replace(/^(.{8})/, '$1-')}-7000-8000-000000000000`;
    const startMs = Date.UTC(2026, 0, 1);
    const old = aMessageLike({ id: idAt(startMs - 2_000), conversationId: busy, content: 'a rare xylophone' });
    const hidden = aMessageLike({ id: idAt(startMs - 1_000), conversationId: quiet, content: 'a common word said long ago' });
    let index: PostgresLexicalIndex;
    beforeEach(async () => {
      await insert([old, hidden]);
      await grow([busy, quiet], 11_000);
      await lanes.lane('reads').query(
        `INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at)
         SELECT (lpad(to_hex($2::bigint + n), 12, '0') || '70008000000000000000')::uuid, $1, n, 'alice', 'a common word', to_timestamp(($2::bigint + n) / 1000.0)
         FROM generate_series(1, 11000) n`,
        [busy, startMs],
      );
      await indexTexts();
      index = anIndex();
    });
    const found = async (query: string, visible: string) => (await index.find(query, [visible], 100)).map(({ messageId }) => messageId);

    it('gives the newest of what is everywhere', async () => {
      const hits = await found('common word', busy);
      expect(hits).toHaveLength(100);
      expect(hits[0]).toBe(idAt(startMs + 11_000));
    });

    it('asks the full-text index for the newest, however old the statistics of the planner are', async () => {
      const reads = lanes.lane('reads');
      await reads.query('ANALYZE message_texts');
      await reads.query(
        `INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at)
         SELECT (lpad(to_hex($2::bigint + n), 12, '0') || '70008000000000000000')::uuid, $1, n, 'alice', 'a common word', to_timestamp(($2::bigint + n) / 1000.0)
         FROM generate_series(11001, 60000) n`,
        [busy, startMs],
      );
      await indexTexts();
      const asked: { text: string; values: readonly unknown[] | undefined }[] = [];
      const query: PostgresLane['query'] = (statement, values) => {
        if (typeof statement === 'string') asked.push({ text: statement, values });
        return reads.query(statement, values);
      };
      await new PostgresLexicalIndex({ size: 2, query } as PostgresLane).find('common word', [busy], 100);
      expect(asked).toHaveLength(1);
      for (const { text, values } of asked) {
        const plan = (await reads.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values)).map((row) => row['QUERY PLAN']).join('\n');
        expect(plan).toContain('Bitmap Index Scan on message_texts_words');
        expect(plan).not.toContain('Index Scan using message_texts_by_place');
      }
    });

    it('finds what is older, also in a conversation where nobody said anything since', async () => {
      expect(await found('xylophone', busy)).toEqual([old.id]);
      expect(await found('common word', quiet)).toEqual([hidden.id]);
      expect(await found('ago common', quiet)).toEqual([hidden.id]);
    });
  });
});
