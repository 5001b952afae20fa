import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { PostgresLockWaits } from './postgres-lock-waits.js';

let database: MigratedDatabase;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

it('the list of lock waits names the waiting process and the holder of its lock, and no statement', async () => {
  const lockWaits = new PostgresLockWaits(database.lane('health'));
  const lock = 'SELECT pg_advisory_xact_lock(4711)';
  const { promise: taken, resolve: take } = Promise.withResolvers<void>();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const withTime = database.otherLanes({ statementTimeoutMs: 10_000 }); // on a busy machine it takes a while until the waits are read
  const holder = withTime.lane('work').transaction(async (query) => {
    await query(lock);
    take();
    await held;
  });
  await taken;
  const waiter = withTime.lane('sends').query(lock);

  const waits = await eventually(async () => {
    // The server is shared with other test files: theirs may wait as well.
    const found = (await lockWaits.read()).filter(({ lock: kind }) => kind === 'advisory');
    expect(found).toHaveLength(1);
    return found;
  });
  release();
  await Promise.all([holder, waiter]);

  expect(waits).toEqual([
    {
      pid: expect.any(Number),
      application: 'parley-test',
      waitingSeconds: expect.any(Number),
      lock: 'advisory',
      blockedBy: [
        { pid: expect.any(Number), application: 'parley-test', state: 'idle in transaction', transactionSeconds: expect.any(Number) },
      ],
    },
  ]);
  expect(JSON.stringify(waits)).not.toContain('4711');
});
