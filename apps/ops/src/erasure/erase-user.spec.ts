import { describe, expect, it } from 'vitest';
import { Postpone } from '#lib/bus/outcome';
import { newEvent, type UserErased } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { MemoryJobStore } from '#lib/jobs/adapters/memory-job-store';
import { DependencyError } from '#lib/resilience/call/errors';
import { createLogger } from '#lib/runtime/log/logger';
import { DrainPort } from './drain.port.js';
import { type ErasureTimes, EraseUser } from './erase-user.js';
import { CannotErase, type Eraser } from './eraser.js';
import { MarkFailedErasure } from './mark-failed-erasure.js';

/** A store in memory with pages of two rows. */
class Store implements Eraser {
  readonly asked: string[] = [];
  /** Pages until `failure`. */
  pagesLeft = Number.POSITIVE_INFINITY;
  failure: Error = new DependencyError('chroma', 'delete', 'unavailable');
  /** Rows that the user adds before each page. */
  added = 0;

  constructor(
    readonly name: string,
    public held: number,
  ) {}

  readonly erase: Eraser['erase'] = async (userId, { after, since }) => {
    if (this.pagesLeft === 0) throw this.failure;
    this.pagesLeft -= 1;
    this.asked.push(`${userId} ${since === undefined ? 'all' : 'since'} ${after ?? 'begin'}`);
    this.held += this.added;
    const count = Math.min(2, this.held);
    this.held -= count;
    return { counts: { [this.name]: count }, next: this.held === 0 || count < 2 ? undefined : String(this.held) };
  };
}

class ScriptedDrain extends DrainPort {
  held: string[] = [];
  async holding(): Promise<string[]> {
    return this.held;
  }
}

const aSetup = (stores: readonly Eraser[], times: Partial<ErasureTimes> = {}) => {
  const jobs = new MemoryJobStore(new MemoryOutbox());
  const drain = new ScriptedDrain();
  const outbox = { pending: 0, latestDepth: async () => ({ pending: outbox.pending, parked: 0, oldestAgeSeconds: 0, isEstimate: false }) };
  const eraseUser = new EraseUser(jobs, stores, drain, outbox, createLogger('test', 'silent'), { retriesMs: 0, ...times });
  const order = async (userId = 'alice', subject = userId): Promise<UserErased> => {
    const event = newEvent('user.erased', { conversationId: null, userId, jobId: newId() });
    await jobs.enqueue({ id: event.data.jobId, kind: 'erasure', ownerId: 'admin', subject }, event);
    return event;
  };
  const jobOf = ({ data: { jobId } }: UserErased) => jobs.find(jobId);
  return { jobs, drain, outbox, eraseUser, order, jobOf };
};

describe('erasing a user', () => {
  it('empties every store in pages, confirms that they are empty, and counts what each held', async () => {
    const stores = [new Store('messages', 5), new Store('devices', 1), new Store('documents', 0)] as const;
    const { eraseUser, order, jobOf } = aSetup(stores);
    const event = await order();
    await eraseUser.handle(event);
    expect(await jobOf(event)).toMatchObject({
      status: 'done',
      result: { phase: 'done', round: 2, erased: { messages: 5, devices: 1, documents: 0 }, waitingFor: [] },
    });
    expect(stores[0].asked).toEqual(['alice all begin', 'alice all 3', 'alice all 1', 'alice since begin']);
  });

  it('goes on where a process has died', async () => {
    const stores = [new Store('messages', 6), new Store('devices', 2)] as const;
    const { eraseUser, order, jobOf } = aSetup(stores);
    const event = await order();
    Object.assign(stores[0], { pagesLeft: 2, failure: new Error('killed') });
    await expect(eraseUser.handle(event)).rejects.toThrow('killed');
    stores[0].pagesLeft = Number.POSITIVE_INFINITY;
    await eraseUser.handle(event);
    expect(stores[0].asked).toEqual(['alice all begin', 'alice all 4', 'alice all 2', 'alice since begin']);
    expect(await jobOf(event)).toMatchObject({ status: 'done', result: { erased: { messages: 6, devices: 2 } } });
  });

  it('says which store it waits for, and passes the outage on', async () => {
    const store = new Store('vectors', 4);
    const { eraseUser, order, jobOf } = aSetup([store]);
    const event = await order();
    store.pagesLeft = 1;
    await expect(eraseUser.handle(event)).rejects.toBeInstanceOf(DependencyError);
    expect(await jobOf(event)).toMatchObject({ status: 'running', result: { erased: { vectors: 2 }, waitingFor: ['chroma'] } });
    store.pagesLeft = Number.POSITIVE_INFINITY;
    await eraseUser.handle(event);
    expect(await jobOf(event)).toMatchObject({ status: 'done', result: { erased: { vectors: 4 }, waitingFor: [] } });
  });

  it('gives way to other erasures after a slice', async () => {
    const { eraseUser, order, jobOf } = aSetup([new Store('messages', 100)], { sliceMs: 0 });
    const event = await order();
    await expect(eraseUser.handle(event)).rejects.toBeInstanceOf(Postpone);
    expect((await jobOf(event))?.status).toBe('running');
  });

  it('waits while the outbox is full: what others send goes first', async () => {
    const store = new Store('messages', 1);
    const { eraseUser, order, jobOf, outbox } = aSetup([store]);
    const event = await order();
    outbox.pending = 100_000;
    await expect(eraseUser.handle(event)).rejects.toBeInstanceOf(Postpone);
    expect(store.held).toBe(1);
    expect((await jobOf(event))?.result).toMatchObject({ waitingFor: ['outbox'] });
  });

  it('waits for the queues that hold copies of before, and erases what they left behind', async () => {
    const store = new Store('signals', 1);
    const { eraseUser, order, jobOf, drain } = aSetup([store]);
    const event = await order();
    drain.held = ['scoring.conversations'];
    await expect(eraseUser.handle(event)).rejects.toBeInstanceOf(Postpone);
    expect((await jobOf(event))?.result).toMatchObject({ phase: 'draining', waitingFor: ['scoring.conversations'] });
    store.held = 1;
    drain.held = [];
    await eraseUser.handle(event);
    expect(await jobOf(event)).toMatchObject({ status: 'done', result: { round: 3, erased: { signals: 2 } } });
  });

  it('looks at the queues a second time when what failed may have come back', async () => {
    const { eraseUser, order, jobOf } = aSetup([new Store('messages', 1)], { retriesMs: 60_000 });
    const event = await order();
    await expect(eraseUser.handle(event)).rejects.toBeInstanceOf(Postpone);
    expect((await jobOf(event))?.result).toMatchObject({ phase: 'draining', waitingFor: ['retries'] });
  });

  it('fails with what an operator has to do when a queue never drains', async () => {
    const { eraseUser, order, jobOf, drain } = aSetup([new Store('messages', 1)], { drainMs: -1 });
    drain.held = ['scoring.conversations'];
    const event = await order();
    await eraseUser.handle(event);
    expect(await jobOf(event)).toMatchObject({ status: 'failed', error: expect.stringContaining('scoring.conversations') });
  });

  it('fails when the user keeps writing', async () => {
    const store = new Store('messages', 1);
    store.added = 1;
    const { eraseUser, order, jobOf } = aSetup([store]);
    const event = await order();
    await eraseUser.handle(event);
    expect(await jobOf(event)).toMatchObject({ status: 'failed', error: expect.stringContaining('revoke its tokens') });
  });

  it('fails with the sentence of a store that needs an operator', async () => {
    const store = new Store('dead letters', 1);
    Object.assign(store, { pagesLeft: 0, failure: new CannotErase('Discard some.') });
    const { eraseUser, order, jobOf } = aSetup([store]);
    const event = await order();
    await eraseUser.handle(event);
    expect(await jobOf(event)).toMatchObject({ status: 'failed', error: 'Discard some.' });
  });

  it.each([
    [
      'no job asks for',
      async ({ order }: ReturnType<typeof aSetup>) => ({ ...(await order()), data: { ...(await order()).data, jobId: newId() } }),
    ],
    ['a job asks for of another user', ({ order }: ReturnType<typeof aSetup>) => order('alice', 'bob')],
  ])('erases nothing that %s: an event alone is no order', async (_what, forged) => {
    const store = new Store('messages', 1);
    const setup = aSetup([store]);
    await setup.eraseUser.handle(await forged(setup));
    expect(store.asked).toEqual([]);
  });

  it('erases nothing more once its job has ended', async () => {
    const store = new Store('messages', 1);
    const { eraseUser, order } = aSetup([store]);
    const event = await order();
    await eraseUser.handle(event);
    const pages = store.asked.length;
    await eraseUser.handle(event);
    expect(store.asked).toHaveLength(pages);
  });

  it('ends the job of an erasure that became a dead letter, and of no other user', async () => {
    const { jobs, order, jobOf } = aSetup([]);
    const [event, forged] = [await order(), await order('carol', 'bob')];
    const failed = new MarkFailedErasure(jobs);
    await failed.mark(event);
    await failed.mark(forged);
    expect(await jobOf(event)).toMatchObject({ status: 'failed', error: expect.stringContaining('ops.erasures') });
    expect((await jobOf(forged))?.status).toBe('queued');
  });
});
