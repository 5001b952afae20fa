import { afterEach, describe, expect, it, vi } from 'vitest';
import { runInContext } from '../log/context.js';
import { beginWait, beginWork, enterWaitStage, overdueWork, type UnitOfWork, workInFlight } from './work-registry.js';
import { processReport, reportAlso } from './process-report.js';

const begun: { work: UnitOfWork; settle: () => void }[] = [];
afterEach(async () => {
  const works = begun.splice(0);
  for (const { work, settle } of works) {
    settle();
    work.end();
  }
  await vi.waitUntil(() => works.every(({ work }) => !isListed(work)), { timeout: 10_000 });
});

// Unit tests share a process: what others left hanging is in flight too, so each looks for its own.
const isListed = (work: UnitOfWork): boolean => [...workInFlight()].includes(work);

/** A request whose handler has begun and waits until the test ends. */
const handling = (id: string, inside: () => void = () => undefined) => {
  const context = { requestId: id, conversationId: 'c1' };
  const work = beginWork(context, { kind: 'request', id, what: 'POST /v1/things' });
  const { promise, resolve } = Promise.withResolvers<void>();
  begun.push({ work, settle: resolve });
  const handled = runInContext(context, () =>
    work.handle(5_000, () => {
      inside();
      return promise;
    }),
  );
  return { work, handled, settle: resolve };
};

const report = () => processReport(1_000, 0).work.items.filter(({ id }) => begun.some(({ work }) => work.subject.id === id));

describe('a unit of work', () => {
  it('is listed with what it waits for and since when', () => {
    const startedAt = performance.now();
    const isSinceThen = (ms: number) => ms >= 0 && ms <= Math.ceil(performance.now() - startedAt);
    handling('r1', () => {
      beginWait('postgres', 'sends')?.enter('answer');
      beginWait('redis', 'take');
    });

    expect(report()).toMatchObject([
      {
        kind: 'request',
        id: 'r1',
        what: 'POST /v1/things',
        conversationId: 'c1',
        phase: 'handling',
        deadlineMs: 5_000,
        isOverdue: false,
        waitingFor: [
          { dependency: 'postgres', operation: 'sends', stage: 'answer', forMs: expect.toSatisfy(isSinceThen) },
          { dependency: 'redis', operation: 'take', stage: 'place' },
        ],
      },
    ]);
  });

  it('waits no more for what has ended', () => {
    handling('r1', () => {
      const first = beginWait('postgres', 'sends');
      beginWait('redis', 'take');
      first?.end();
      first?.end();
    });

    expect(report()[0]?.waitingFor).toMatchObject([{ dependency: 'redis' }]);
  });

  it('knows from its adapter that it waits for a connection', () => {
    handling('r1', () => {
      beginWait('postgres', 'sends');
      enterWaitStage('connection');
    });

    expect(report()[0]?.waitingFor).toMatchObject([{ stage: 'connection' }]);
  });

  it('stays when its caller is answered but its handler goes on, because that is what hangs', async () => {
    const { work, settle, handled } = handling('r1');

    work.end();
    expect(report()).toMatchObject([{ id: 'r1', phase: 'answered' }]);
    settle();
    await handled;

    expect(isListed(work)).toBe(false);
  });

  it('stays when its handler is done but its answer is not out', async () => {
    const { work, settle, handled } = handling('r1');
    settle();
    await handled;

    expect(isListed(work)).toBe(true);
    work.end();
    expect(isListed(work)).toBe(false);
  });

  it('leaves nothing behind when its handler fails', async () => {
    const work = beginWork({}, { kind: 'event', id: 'e1', what: 'q' });

    await expect(work.handle(1, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    work.end();

    expect(isListed(work)).toBe(false);
  });

  it('costs nothing to speak of outside one', () => {
    expect(beginWait('postgres', 'sends')).toBeUndefined();
    expect(() => enterWaitStage('answer')).not.toThrow();
  });
});

describe('a report', () => {
  it('lists the oldest and counts all', () => {
    for (const id of ['r1', 'r2', 'r3']) handling(id);
    const before = [...workInFlight()].length - 3;

    const { work, ...process } = processReport(before + 2, 12.4);

    expect(process).toMatchObject({ pid: globalThis.process.pid, eventLoopLagMs: 12 });
    expect(work.count).toBe(before + 3);
    expect(work.items.slice(before).map(({ id }) => id)).toEqual(['r1', 'r2']);
  });

  it('has what else the process wants to say', () => {
    reportAlso('of-a-test', () => ['all closed']);

    expect(processReport(1, 0)['of-a-test']).toEqual(['all closed']);
  });
});

describe('overdue is', () => {
  const at = (ms: number) => performance.now() + ms;
  const overdueAfter = (what: string, ms: number) =>
    overdueWork(
      20_000,
      at(ms),
      begun.filter(({ work }) => work.subject.what === what).map(({ work }) => work),
    ).map(({ subject }) => subject.id);

  it('a handler past twice its deadline and past the limit', () => {
    handling('r1');

    expect(overdueAfter('POST /v1/things', 19_000)).toEqual([]);
    expect(overdueAfter('POST /v1/things', 21_000)).toEqual(['r1']);
  });

  it('not one whose deadline is longer', () => {
    const work = beginWork({}, { kind: 'event', id: 'e1', what: 'embedding.messages' });
    const { promise, resolve } = Promise.withResolvers<void>();
    begun.push({ work, settle: resolve });
    void work.handle(30_000, () => promise);

    expect(overdueAfter('embedding.messages', 50_000)).toEqual([]);
    expect(overdueAfter('embedding.messages', 61_000)).toEqual(['e1']);
  });
});
