import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { migrate } from '#lib/database/adapters/migrate';
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

describe('the lexical index in Postgres', () => {
  beforeEach(async () => {
    await lanes.lane('reads').query('TRUNCATE messages');
  });

  lexicalIndexContract(async () => ({ index: new PostgresLexicalIndex(lanes.lane('reads')), add: insert }));

  it('answers from its indexes, not by reading all messages', async () => {
    const conversationId = '019a0000-0000-7000-8000-000000000001';
    await lanes.lane('reads').query(
      `INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at)
       SELECT gen_random_uuid(), $1, n, 'alice', 'the message number ' || n || ' of many, said by somebody', now() FROM generate_series(1, 20000) n`,
      [conversationId],
    );
    await lanes.lane('reads').query('ANALYZE messages');
    const index = new PostgresLexicalIndex(lanes.lane('reads'));
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
});
