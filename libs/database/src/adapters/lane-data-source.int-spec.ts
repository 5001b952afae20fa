import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { withDeadline } from '#lib/resilience/call/deadline';
import { errorCode } from '#lib/runtime/log/error-code';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { type MigratedDatabase, migratedDatabase } from '#lib/testing/migrated-database';
import { SearchWordEntity } from './entities/search-word.entity.js';
import { VectorWriteEntity } from './entities/vector-write.entity.js';
import { LaneDataSource } from './lane-data-source.js';
import type { PostgresLane } from './lanes/postgres-lane.js';

const ID = '01890a5d-ac96-774b-bcce-b302099a8057';
const OTHER_ID = '01890a5d-ac96-774b-bcce-b302099a8058';

let database: MigratedDatabase;
let proxy: FaultProxy;
beforeAll(async () => {
  database = await migratedDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.lane('work').query('TRUNCATE vector_writes');
  proxy = await FaultProxy.before(database.url);
});
afterEach(() => proxy.stop());

const laneThroughProxy = (size: number, statementTimeoutMs = 500): PostgresLane =>
  database
    .otherLanes({ url: proxy.through(database.url), lanes: { reads: size }, acquireTimeoutMs: 500, statementTimeoutMs })
    .lane('reads');
const writes = (dataSource: LaneDataSource) => dataSource.getRepository(VectorWriteEntity);
const outcomeOf = (work: Promise<unknown>): Promise<string> => work.then(() => 'ok', errorCode);

describe('a repository on a lane', () => {
  it('inserts, finds, updates and deletes, with defaults and counts', async () => {
    const repository = writes(await LaneDataSource.over(database.lane('work')));
    const write = repository.create({ id: ID, messageIds: [ID, OTHER_ID] });
    await repository.insert(write);
    expect(write).toMatchObject({ begunAt: expect.any(Date), checks: 0 });
    expect(await repository.findOneByOrFail({ id: ID })).toEqual(Object.assign(write, { checkedAt: null }));
    expect(await repository.update({ id: ID }, { checks: 3 })).toMatchObject({ affected: 1 });
    expect(await repository.update({ id: OTHER_ID }, { checks: 3 })).toMatchObject({ affected: 0 });
    expect(await repository.countBy({ checks: 3 })).toBe(1);
    expect(await repository.delete({ id: ID })).toMatchObject({ affected: 1 });
  });

  it('reads the entities without a server, so that a process starts while Postgres is away', async () => {
    const lane = database.otherLanes({ url: 'postgres://parley@127.0.0.1:9/parley', lanes: { reads: 1 } }).lane('reads');
    const dataSource = await LaneDataSource.over(lane);
    expect(await outcomeOf(writes(dataSource).find())).toBe('ECONNREFUSED');
  });

  it('uses no connection but those of its lane', async () => {
    const dataSource = await LaneDataSource.over(laneThroughProxy(2));
    await Promise.all(Array.from({ length: 20 }, () => writes(dataSource).find()));
    expect(proxy.connectionCount).toBe(2);
  });

  it('ends in time when Postgres is a black hole, and works again afterwards', async () => {
    const repository = writes(await LaneDataSource.over(laneThroughProxy(1)));
    await repository.find();
    await proxy.set({ kind: 'hang' });
    const startedAt = performance.now();
    expect(await outcomeOf(repository.find())).toBe('timeout');
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    await proxy.heal();
    await eventually(async () => expect(await outcomeOf(repository.find())).toBe('ok'), { timeoutMs: 12_000 });
  });

  it('ends with the deadline of its caller', async () => {
    const dataSource = await LaneDataSource.over(laneThroughProxy(1, 5_000));
    const startedAt = performance.now();
    await expect(withDeadline(150, () => dataSource.query('SELECT pg_sleep(4)'))).rejects.toThrow(/timeout|deadline/);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });

  it('is ended by Postgres after the statement timeout, with the code of a timeout', async () => {
    const dataSource = await LaneDataSource.over(laneThroughProxy(1));
    await expect(dataSource.query('SELECT pg_sleep(2)')).rejects.toMatchObject({ name: 'DependencyError', kind: 'timeout' });
  });

  it('is refused by the breaker of its lane while that is open', async () => {
    const lane = laneThroughProxy(1);
    const repository = writes(await LaneDataSource.over(lane));
    await proxy.set({ kind: 'reset' });
    await eventually(async () => expect(await outcomeOf(repository.find())).toBe('open'));
    expect(await outcomeOf(lane.query('SELECT 1'))).toBe('open');
  });

  it('does not wait for a statement on another connection of the lane', async () => {
    const dataSource = await LaneDataSource.over(laneThroughProxy(2, 5_000));
    const order: string[] = [];
    const slow = dataSource.query('SELECT pg_sleep(1.5)').then(() => order.push('slow'));
    await writes(dataSource).find();
    order.push('quick');
    await slow;
    expect(order).toEqual(['quick', 'slow']);
  });

  it('answers a violated constraint with the error of Postgres', async () => {
    const repository = writes(await LaneDataSource.over(database.lane('work')));
    await repository.insert({ id: ID, messageIds: [] });
    await expect(repository.insert({ id: ID, messageIds: [] })).rejects.toMatchObject({ code: '23505', constraint: 'vector_writes_pkey' });
  });
});

describe('a transaction with repositories', () => {
  it('commits all of its statements, and save() joins it', async () => {
    const dataSource = await LaneDataSource.over(database.lane('work'));
    await dataSource.transaction(async (manager) => {
      await manager.insert(VectorWriteEntity, { id: ID, messageIds: [] });
      await manager.save(manager.create(VectorWriteEntity, { id: OTHER_ID, messageIds: [], checks: 2 }));
    });
    expect(await writes(dataSource).count()).toBe(2);
  });

  it('undoes all of its statements when its work throws', async () => {
    const dataSource = await LaneDataSource.over(database.lane('work'));
    const work = dataSource.transaction(async (manager) => {
      await manager.insert(VectorWriteEntity, { id: ID, messageIds: [] });
      throw new Error('changed its mind');
    });
    await expect(work).rejects.toThrow('changed its mind');
    expect(await writes(dataSource).count()).toBe(0);
  });

  it('never becomes visible when it is reported failed after a client-side timeout', async () => {
    const dataSource = await LaneDataSource.over(laneThroughProxy(1));
    const outcome = outcomeOf(
      dataSource.transaction(async (manager) => {
        await manager.insert(VectorWriteEntity, { id: ID, messageIds: [] });
        await proxy.set({ kind: 'hang' });
        await manager.insert(VectorWriteEntity, { id: OTHER_ID, messageIds: [] });
      }),
    );
    expect(await outcome).toBe('timeout');
    await proxy.heal();
    await eventually(() => dataSource.transaction((manager) => manager.count(SearchWordEntity)));
    expect(await database.lane('work').query('SELECT id FROM vector_writes')).toEqual([]);
  });

  it('is never begun by TypeORM itself, which would not bound it', async () => {
    const dataSource = await LaneDataSource.over(database.lane('work'));
    await expect(writes(dataSource).save({ id: ID, messageIds: [] })).rejects.toThrow('begins with LaneDataSource.transaction()');
    await expect(dataSource.transaction((manager) => manager.transaction(async () => undefined))).rejects.toThrow('does not nest');
    expect(await writes(dataSource).count()).toBe(0);
  });
});
