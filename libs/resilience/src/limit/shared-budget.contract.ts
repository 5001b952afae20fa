import { describe, expect, it } from 'vitest';
import type { BudgetRequest, BudgetVerdict, SharedBudgetPort } from './shared-budget.port.js';

/** What every shared budget promises. @param make one of so many requests per minute, untouched. */
export function sharedBudgetContract(name: string, make: (perMinute: number) => SharedBudgetPort): void {
  describe(`${name} as a budget`, () => {
    let callers = 0;
    const anyone = (lane: BudgetRequest['lane'] = 'interactive'): BudgetRequest => ({ caller: `caller-${(callers += 1)}`, lane });
    const takeMany = async (budget: SharedBudgetPort, count: number, request: () => BudgetRequest): Promise<BudgetVerdict[]> => {
      const verdicts: BudgetVerdict[] = [];
      for (let i = 0; i < count; i += 1) verdicts.push(await budget.take(request()));
      return verdicts;
    };
    const grantedCount = (verdicts: readonly BudgetVerdict[]) => verdicts.filter(({ granted }) => granted).length;
    const waitOf = (verdict: BudgetVerdict | undefined) => (verdict === undefined || verdict.granted ? 0 : verdict.waitMs);

    it('grants a fifth of a minute at once, and says when there is more', async () => {
      const verdicts = await takeMany(make(30), 10, () => anyone());
      expect(grantedCount(verdicts)).toBe(6);
      expect(verdicts.at(-1)).toMatchObject({ granted: false, whose: 'all' });
      expect(waitOf(verdicts.at(-1))).toBeGreaterThan(1_000);
      expect(waitOf(verdicts.at(-1))).toBeLessThanOrEqual(2_000);
    });

    it('grants one caller no more than a third of a minute, and the others what is left', async () => {
      const budget = make(300);
      const verdicts = await takeMany(budget, 70, () => ({ caller: 'greedy', lane: 'interactive' }));
      expect(grantedCount(verdicts)).toBeGreaterThanOrEqual(60);
      expect(grantedCount(verdicts)).toBeLessThanOrEqual(61);
      expect(verdicts.at(-1)).toMatchObject({ granted: false, whose: 'caller' });
      const next = make(30);
      expect(grantedCount(await takeMany(next, 5, () => ({ caller: 'one', lane: 'interactive' })))).toBe(5);
      expect((await next.take(anyone())).granted).toBe(true);
    });

    it('leaves half of the bucket to interactive requests', async () => {
      const budget = make(60);
      expect(grantedCount(await takeMany(budget, 12, () => anyone('background')))).toBe(7);
      expect(grantedCount(await takeMany(budget, 12, () => anyone()))).toBe(5);
    });

    it('fills again', async () => {
      const budget = make(6_000);
      await takeMany(budget, 1_201, () => anyone());
      await expect.poll(async () => (await budget.take(anyone())).granted, { timeout: 2_000, interval: 5 }).toBe(true);
    });

    it('halves its rate when the vendor says that there are too many, once for all refusals of a moment, and grants nothing at first', async () => {
      const budget = make(60);
      await Promise.all([budget.slowDown(), budget.slowDown(), budget.slowDown()]);
      expect(budget.perMinute).toBeGreaterThanOrEqual(30);
      expect(budget.perMinute).toBeLessThan(31);
      const refused = await budget.take(anyone());
      expect(refused.granted).toBe(false);
      expect(waitOf(refused)).toBeGreaterThan(1_000);
    });

    it('stays quiet for as long as the vendor asks for', async () => {
      const budget = make(60);
      await budget.slowDown(30_000);
      const refused = await budget.take(anyone());
      expect(waitOf(refused)).toBeGreaterThan(25_000);
      expect(waitOf(refused)).toBeLessThanOrEqual(30_000);
    });

    it('never falls below one request a minute', async () => {
      const budget = make(1);
      await budget.slowDown();
      expect(budget.perMinute).toBeGreaterThanOrEqual(1);
      expect(waitOf(await budget.take(anyone()))).toBeLessThanOrEqual(60_000);
    });
  });
}
