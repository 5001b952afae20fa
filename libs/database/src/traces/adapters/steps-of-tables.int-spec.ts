import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import type { PostgresLane } from '../../adapters/lanes/postgres-lane.js';
import { stepsOfTables } from './steps-of-tables.js';

const MESSAGE = '01920000-0000-7000-8000-0000000000aa';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
  await database.lane('work').query(
    `INSERT INTO outbox (event_id, routing_key, envelope)
     SELECT ('01920000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'message.created',
            jsonb_build_object('data', jsonb_build_object('messageId', CASE WHEN i = 7 THEN $1::text END))
     FROM generate_series(1, 100000) i`,
    [MESSAGE],
  );
  await database.lane('work').query('ANALYZE outbox');
});
afterAll(() => database.drop());

it('an event of a message that waits in the outbox is one of its steps', async () => {
  const { steps, messageIds } = await stepsOfTables(database.lane('reads'), { messageIds: [MESSAGE], eventIds: [] });
  expect(steps).toMatchObject([{ what: 'message.created waits in the outbox, 0 tries', outcome: 'waiting' }]);
  expect(messageIds).toEqual([]);
});

it('a backlog in the outbox is not read as a whole for the steps of one message', async () => {
  const plans: string[] = [];
  const explaining = {
    query: async (statement: string, [ids = []]: readonly (readonly string[])[]) => {
      const literal = statement.replace('$1', `'{${ids.join()}}'`);
      const plan = await database.lane('work').query<{ 'QUERY PLAN': string }>(`EXPLAIN ${literal}`);
      plans.push(plan.map((row) => row['QUERY PLAN']).join('\n'));
      return [];
    },
  } as unknown as PostgresLane;
  await stepsOfTables(explaining, { messageIds: [MESSAGE], eventIds: [MESSAGE] });
  const ofOutbox = plans.filter((plan) => plan.includes('outbox'));
  expect(ofOutbox).toHaveLength(2);
  expect(ofOutbox.filter((plan) => plan.includes('Seq Scan on outbox'))).toEqual([]);
});
