import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConsistencyReport } from '#lib/contracts/admin';
import { newId } from '#lib/contracts/ids';
import { eventually } from '#lib/testing/eventually';
import { type ClaimedRun, type ConsistencyRunsPort, MAX_STARTS } from './consistency-runs.port.js';

const aReport = (messagesChecked: number): ConsistencyReport => ({
  messagesChecked,
  chunksChecked: 0,
  pending: 0,
  findings: { unindexed: 0, missing: 0, stale: 0, orphan: 0, failed: 0 },
  examples: { unindexed: [], missing: [], stale: [], orphan: [], failed: [] },
  repaired: { ordered: 0, removed: 0 },
});

const LEASE_MS = 60_000;

const given = (claimed: ClaimedRun | undefined): ClaimedRun => {
  if (claimed === undefined) throw new Error('there was nothing to claim');
  return claimed;
};

/** What every store of consistency runs promises; `make` gives an empty one. */
export function consistencyRunsContract(
  name: string,
  make: () => Promise<{ runs: ConsistencyRunsPort; stop?: () => Promise<void> }>,
): void {
  let runs: ConsistencyRunsPort;
  let stop: (() => Promise<void>) | undefined;

  describe(`the store of consistency runs ${name}`, () => {
    beforeEach(async () => {
      ({ runs, stop } = await make());
    });
    afterEach(async () => stop?.());

    /** @throws when there is nothing to claim. */
    const claimedBy = async (leaseMs: number): Promise<ClaimedRun> => given(await runs.claim(leaseMs));

    it('passes a request on to the worker that claims it, and its report back', async () => {
      const asked = await runs.request('repair', 'alice');
      expect(asked).toMatchObject({ kind: 'repair', requestedBy: 'alice', startedAt: null, finishedAt: null, report: null });
      expect(await runs.status()).toEqual({ waiting: asked, running: null, last: null });

      const claimed = await claimedBy(LEASE_MS);
      expect(claimed).toMatchObject({ id: asked.id, startedAt: expect.any(String) });
      expect(await runs.progress(claimed, aReport(7), LEASE_MS)).toBe(true);
      expect(await runs.status()).toMatchObject({ waiting: null, running: { id: asked.id, report: { messagesChecked: 7 } }, last: null });

      expect(await runs.finish(claimed, aReport(9))).toBe(true);
      expect(await runs.status()).toMatchObject({ running: null, last: { id: asked.id, finishedAt: expect.any(String), failure: null } });
      expect(await runs.find(asked.id)).toMatchObject({ report: { messagesChecked: 9 } });
      expect(await runs.find(newId())).toBeUndefined();
      expect(await runs.claim(LEASE_MS)).toBeUndefined();
    });

    it('joins requests of one kind that wait, and no others', async () => {
      const first = await runs.request('check', 'alice');
      expect((await runs.request('check', 'bob')).id).toBe(first.id);
      expect((await runs.request('repair', 'bob')).id).not.toBe(first.id);
      await runs.claim(LEASE_MS);
      expect((await runs.request('check', 'bob')).id).not.toBe(first.id);
    });

    it('lets one run at a time, whichever worker claims', async () => {
      await runs.request('check', 'alice');
      await runs.request('repair', 'alice');
      const claims = await Promise.all(Array.from({ length: 5 }, () => runs.claim(LEASE_MS)));
      const [claimed, ...others] = claims.filter((run) => run !== undefined);
      expect(others).toEqual([]);
      await runs.fail(given(claimed), 'chroma get: unavailable');
      expect((await runs.status()).last).toMatchObject({ failure: 'chroma get: unavailable', report: null });
      expect(await runs.claim(LEASE_MS)).toMatchObject({ kind: 'repair' });
    });

    it('hands a run on when its process went away, and gives up after a few of them', async () => {
      const { id } = await runs.request('repair', 'alice');
      const claims: ClaimedRun[] = [];
      for (let start = 1; start <= MAX_STARTS; start += 1) {
        await eventually(async () => void claims.push(await claimedBy(30)));
      }
      expect(claims.map((claim) => [claim.id, claim.start])).toEqual([1, 2, 3].map((start) => [id, start]));
      const newest = given(claims.at(-1));
      await eventually(async () => expect(await runs.progress(newest, aReport(1), 1)).toBe(false));
      expect(await runs.claim(LEASE_MS)).toBeUndefined();
      expect((await runs.find(id))?.failure).toContain(`${MAX_STARTS} times`);
    });

    it('lets a worker whose run was handed on neither show, finish nor fail it', async () => {
      const { id } = await runs.request('repair', 'alice');
      const late = await claimedBy(30);
      const newest = await eventually(() => claimedBy(LEASE_MS));
      expect([newest.id, late.id]).toEqual([id, id]);
      expect(await runs.progress(late, aReport(1), LEASE_MS)).toBe(false);
      expect(await runs.finish(late, aReport(1))).toBe(false);
      await runs.fail(late, 'too late');
      expect(await runs.find(id)).toMatchObject({ finishedAt: null, failure: null, report: null });
      expect(await runs.finish(newest, aReport(2))).toBe(true);
      expect(await runs.finish(newest, aReport(3))).toBe(false);
      expect(await runs.find(id)).toMatchObject({ failure: null, report: { messagesChecked: 2 } });
    });

    it('lets no operator join what the schedule asked for', async () => {
      await runs.requestWhenDue(0);
      expect(await runs.request('repair', 'alice')).toMatchObject({ requestedBy: 'alice' });
    });

    it('asks for a repair when the last run is long enough ago', async () => {
      await Promise.all(Array.from({ length: 3 }, () => runs.requestWhenDue(LEASE_MS)));
      const { waiting } = await runs.status();
      expect(waiting).toMatchObject({ kind: 'repair', requestedBy: 'schedule' });
      const run = await claimedBy(LEASE_MS);
      await runs.requestWhenDue(0);
      expect((await runs.status()).waiting).toBeNull();
      await runs.finish(run, aReport(1));
      await runs.requestWhenDue(LEASE_MS);
      expect((await runs.status()).waiting).toBeNull();
      await eventually(async () => {
        await runs.requestWhenDue(1);
        expect((await runs.status()).waiting).toMatchObject({ kind: 'repair' });
      });
    });
  });
}
