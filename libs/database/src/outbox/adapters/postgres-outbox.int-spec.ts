import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { aMessageCreated } from '#lib/testing/builders';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { inboxContract } from '../../inbox/inbox.contract.js';
import { outboxContract } from '../outbox.contract.js';
import { PostgresInbox } from '../../inbox/adapters/postgres-inbox.js';
import { PostgresOutbox } from './postgres-outbox.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(async () => database.drop());

outboxContract(async () => {
  await database.lane('work').query('TRUNCATE outbox');
  return {
    outbox: new PostgresOutbox(database.lane('relay')),
    write: async (event, headers) => {
      await database
        .lane('work')
        .query('INSERT INTO outbox (event_id, routing_key, envelope, headers) VALUES ($1, $2, $3, $4)', [
          event.eventId,
          event.type,
          event,
          headers,
        ]);
    },
  };
});

it('the outbox leases events of one millisecond in the order in which they were stored, whatever their ids', async () => {
  await database.lane('work').query('TRUNCATE outbox');
  const [first, second] = [aMessageCreated({ seq: 1 }), aMessageCreated({ seq: 2 })].sort((a, b) => (a.eventId > b.eventId ? -1 : 1));
  const insert = 'INSERT INTO outbox (event_id, routing_key, envelope, created_at) VALUES ($1, $2, $3, $4)';
  for (const [event, at] of [
    [first, '2026-01-01T00:00:00.000100Z'],
    [second, '2026-01-01T00:00:00.000200Z'],
  ] as const) {
    await database.lane('work').query(insert, [event?.eventId, event?.type, event, at]);
  }
  const leased = await new PostgresOutbox(database.lane('relay')).lease({ limit: 10, olderThanMs: 0, leaseMs: 60_000 });
  expect(leased.map(({ event }) => event.eventId)).toEqual([first?.eventId, second?.eventId]);
});

describe('the depth of the outbox of Postgres', () => {
  const outboxOf = () => new PostgresOutbox(database.lane('relay'));

  const fill = async (count: number): Promise<void> => {
    await database.lane('work').query('TRUNCATE outbox');
    await database.lane('work').query(
      `INSERT INTO outbox (event_id, routing_key, envelope, created_at)
       SELECT gen_random_uuid(), 'message.created', jsonb_build_object('content', repeat('x', 1000)), now() - interval '1 hour'
         FROM generate_series(1, $1)`,
      [count],
    );
  };

  it('is estimated from a sample when there is much, also right after most of it is gone', async () => {
    await fill(30_000);
    const full = await outboxOf().depth();
    expect(full.isEstimate).toBe(true);
    expect(full.pending).toBeGreaterThan(15_000);
    expect(full.pending).toBeLessThan(45_000);
    expect(full.oldestAgeSeconds).toBeGreaterThan(3_500);

    await database.lane('work').query('DELETE FROM outbox WHERE ctid < $1::tid', ['(3000,0)']);
    const [left] = await database.lane('work').query<{ count: number }>('SELECT count(*)::int FROM outbox');
    const drained = await outboxOf().depth();
    expect(drained.pending).toBeGreaterThan((left?.count ?? 0) * 0.4);
    expect(drained.pending).toBeLessThan((left?.count ?? 0) * 1.6);
  });

  it('is measured once for all processes', async () => {
    await fill(5);
    await database.lane('work').query("UPDATE outbox_depth SET claimed_at = '-infinity', measured_at = '-infinity'");
    const processes = Array.from({ length: 5 }, outboxOf);
    const measuring = processes.map((process) => vi.spyOn(process, 'depth'));

    await Promise.all(processes.map((process) => process.latestDepth(60_000)));

    expect(measuring.flatMap(({ mock }) => mock.calls)).toHaveLength(1);
    for (const process of processes) expect(await process.latestDepth(60_000)).toMatchObject({ pending: 5, isEstimate: false });
    expect(measuring.flatMap(({ mock }) => mock.calls)).toHaveLength(1);
  });
});

inboxContract(async () => {
  await database.lane('work').query('TRUNCATE inbox');
  return new PostgresInbox(database.lane('work'));
});
