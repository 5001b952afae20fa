import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConsistencyReport } from '#lib/contracts/admin';
import { newId } from '#lib/contracts/ids';
import { eventually } from '#lib/testing/eventually';
import { type ConsistencyRunsPort, MAX_STARTS } from './consistency-runs.port.js';

const aReport = (messagesChecked: number): ConsistencyReport => ({
  messagesChecked,
  chunksChecked: 0,
  pending: 0,
  findings: { unindexed: 0, missing: 0, stale: 0, orphan: 0, failed: 0 },
  examples: { unindexed: [], missing: [], stale: [], orphan: [], failed: [] },
  repaired: { ordered: 0, removed: 0 },
});

const LEASE_MS = 60_000;

/** What every board promises; `make` gives an empty one. */
export function consistencyRunsContract(
  name: string,
  make: () => Promise<{ board: ConsistencyRunsPort; stop?: () => Promise<void> }>,
): void {
  let board: ConsistencyRunsPort;
  let stop: (() => Promise<void>) | undefined;

  describe(`${name} as a board`, () => {
    beforeEach(async () => {
      ({ board, stop } = await make());
    });
    afterEach(async () => stop?.());

    it('passes a request on to the worker that claims it, and its report back', async () => {
      const asked = await board.request('repair', 'alice');
      expect(asked).toMatchObject({ kind: 'repair', requestedBy: 'alice', startedAt: null, finishedAt: null, report: null });
      expect(await board.status()).toEqual({ waiting: asked, running: null, last: null });

      const claimed = await board.claim(LEASE_MS);
      expect(claimed).toMatchObject({ id: asked.id, startedAt: expect.any(String) });
      expect(await board.progress(asked.id, aReport(7), LEASE_MS)).toBe(true);
      expect(await board.status()).toMatchObject({ waiting: null, running: { id: asked.id, report: { messagesChecked: 7 } }, last: null });

      await board.finish(asked.id, aReport(9));
      expect(await board.status()).toMatchObject({ running: null, last: { id: asked.id, finishedAt: expect.any(String), failure: null } });
      expect(await board.find(asked.id)).toMatchObject({ report: { messagesChecked: 9 } });
      expect(await board.find(newId())).toBeUndefined();
      expect(await board.claim(LEASE_MS)).toBeUndefined();
    });

    it('joins requests of one kind that wait, and no others', async () => {
      const first = await board.request('check', 'alice');
      expect((await board.request('check', 'bob')).id).toBe(first.id);
      expect((await board.request('repair', 'bob')).id).not.toBe(first.id);
      await board.claim(LEASE_MS);
      expect((await board.request('check', 'bob')).id).not.toBe(first.id);
    });

    it('lets one run at a time, whichever worker claims', async () => {
      await board.request('check', 'alice');
      await board.request('repair', 'alice');
      const claims = await Promise.all(Array.from({ length: 5 }, () => board.claim(LEASE_MS)));
      expect(claims.filter((run) => run !== undefined)).toHaveLength(1);
      await board.fail(claims.find((run) => run !== undefined)?.id ?? '', 'chroma get: unavailable');
      expect((await board.status()).last).toMatchObject({ failure: 'chroma get: unavailable', report: null });
      expect(await board.claim(LEASE_MS)).toMatchObject({ kind: 'repair' });
    });

    it('hands a run on when its process went away, and gives up after a few of them', async () => {
      const { id } = await board.request('repair', 'alice');
      for (let start = 1; start <= MAX_STARTS; start += 1) {
        await eventually(async () => expect(await board.claim(30)).toMatchObject({ id }));
      }
      await eventually(async () => expect(await board.progress(id, aReport(1), 1)).toBe(false));
      expect(await board.claim(LEASE_MS)).toBeUndefined();
      expect((await board.find(id))?.failure).toContain(`${MAX_STARTS} times`);
    });

    it('lets no operator join what the schedule asked for', async () => {
      await board.requestWhenDue(0);
      expect(await board.request('repair', 'alice')).toMatchObject({ requestedBy: 'alice' });
    });

    it('asks for a repair when the last run is long enough ago', async () => {
      await Promise.all(Array.from({ length: 3 }, () => board.requestWhenDue(LEASE_MS)));
      const { waiting } = await board.status();
      expect(waiting).toMatchObject({ kind: 'repair', requestedBy: 'schedule' });
      const run = await board.claim(LEASE_MS);
      await board.requestWhenDue(0);
      expect((await board.status()).waiting).toBeNull();
      await board.finish(run?.id ?? '', aReport(1));
      await board.requestWhenDue(LEASE_MS);
      expect((await board.status()).waiting).toBeNull();
      await eventually(async () => {
        await board.requestWhenDue(1);
        expect((await board.status()).waiting).toMatchObject({ kind: 'repair' });
      });
    });
  });
}
