import { afterEach, describe, expect, it, vi } from 'vitest';
import { runInContext } from './context.js';
import { beginWait, beginWork, enterWaitStage, type Work, workInFlight, workInFlightCount } from './in-flight.js';
import { processReport, reportAlso } from './process-report.js';
import { whatIsStuck } from './watchdog.js';

const begun: { work: Work; settle: () => void }[] = [];
afterEach(async () => {
  for (const { work, settle } of begun.splice(0)) {
    settle();
    work.end();
  }
  await vi.waitUntil(() => workInFlightCount() === 0);
});

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

const report = () => processReport(10, 0).work;

describe('a unit of work', () => {
  it('is listed with what it waits for and since when', () => {
    handling('r1', () => {
      beginWait('postgres', 'sends')?.enter('answer');
      beginWait('redis', 'take');
    });

    expect(report()).toMatchObject({
      count: 1,
      items: [
        {
          kind: 'request',
          id: 'r1',
          what: 'POST /v1/things',
          conversationId: 'c1',
          phase: 'handling',
          deadlineMs: 5_000,
          isOverdue: false,
          waitingFor: [
            { dependency: 'postgres', operation: 'sends', stage: 'answer', forMs: 0 },
            { dependency: 'redis', operation: 'take', stage: 'place' },
          ],
        },
      ],
    });
  });

  it('waits no more for what has ended', () => {
    handling('r1', () => {
      const first = beginWait('postgres', 'sends');
      beginWait('redis', 'take');
      first?.end();
      first?.end();
    });

    expect(report().items[0]?.waitingFor).toMatchObject([{ dependency: 'redis' }]);
  });

  it('knows from its adapter that it waits for a connection', () => {
    handling('r1', () => {
      beginWait('postgres', 'sends');
      enterWaitStage('connection');
    });

    expect(report().items[0]?.waitingFor).toMatchObject([{ stage: 'connection' }]);
  });

  it('stays when its caller is answered but its handler goes on, because that is what hangs', async () => {
    const { work, settle, handled } = handling('r1');

    work.end();
    expect(report().items).toMatchObject([{ id: 'r1', phase: 'answered' }]);
    settle();
    await handled;

    expect(workInFlightCount()).toBe(0);
  });

  it('stays when its handler is done but its answer is not out', async () => {
    const { work, settle, handled } = handling('r1');
    settle();
    await handled;

    expect([...workInFlight()]).toEqual([work]);
    work.end();
    expect(workInFlightCount()).toBe(0);
  });

  it('leaves nothing behind when its handler fails', async () => {
    const work = beginWork({}, { kind: 'event', id: 'e1', what: 'q' });

    await expect(work.handle(1, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    work.end();

    expect(workInFlightCount()).toBe(0);
  });

  it('costs nothing to speak of outside one', () => {
    expect(beginWait('postgres', 'sends')).toBeUndefined();
    expect(() => enterWaitStage('answer')).not.toThrow();
  });
});

describe('a report', () => {
  it('lists the oldest and counts all', () => {
    for (const id of ['r1', 'r2', 'r3']) handling(id);

    expect(processReport(2, 12.4)).toMatchObject({
      pid: process.pid,
      eventLoopLagMs: 12,
      work: { count: 3, items: [{ id: 'r1' }, { id: 'r2' }] },
    });
  });

  it('has what else the process wants to say', () => {
    reportAlso('breakers', () => ['all closed']);

    expect(processReport(1, 0)['breakers']).toEqual(['all closed']);
  });
});

describe('stuck is', () => {
  const at = (ms: number) => performance.now() + ms;

  it('a handler past twice its deadline and past the limit', () => {
    handling('r1');

    expect(whatIsStuck(20_000, at(19_000))).toBeUndefined();
    expect(whatIsStuck(20_000, at(21_000))).toMatch(/^POST \/v1\/things \(r1\) has run for 2\d+ ms, its deadline is 5000 ms$/);
  });

  it('not one whose deadline is longer', () => {
    const work = beginWork({}, { kind: 'event', id: 'e1', what: 'embedding.messages' });
    const { promise, resolve } = Promise.withResolvers<void>();
    begun.push({ work, settle: resolve });
    void work.handle(30_000, () => promise);

    expect(whatIsStuck(20_000, at(50_000))).toBeUndefined();
    expect(whatIsStuck(20_000, at(61_000))).toContain('embedding.messages');
  });
});
