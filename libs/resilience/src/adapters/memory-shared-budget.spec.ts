import { expect, it } from 'vitest';
import { sharedBudgetContract } from '../limit/shared-budget.contract.js';
import { MemorySharedBudget } from './memory-shared-budget.js';

sharedBudgetContract('MemorySharedBudget', (perMinute) => new MemorySharedBudget(perMinute));

const MINUTE_MS = 60_000;

it('a budget lets no more through in an hour than it says, and one burst, however greedily it is asked', async () => {
  let now = 0;
  const budget = new MemorySharedBudget(30, () => now);
  let granted = 0;
  for (; now < 60 * MINUTE_MS; now += 100) if ((await budget.take({ caller: `user-${now}`, lane: 'interactive' })).granted) granted += 1;
  expect(granted).toBeGreaterThanOrEqual(1_799);
  expect(granted).toBeLessThanOrEqual(1_806);
});

it('background work alone has the whole rate in the long run', async () => {
  let now = 0;
  const budget = new MemorySharedBudget(30, () => now);
  let granted = 0;
  for (; now < 60 * MINUTE_MS; now += 100) if ((await budget.take({ caller: `user-${now}`, lane: 'background' })).granted) granted += 1;
  expect(granted).toBeGreaterThanOrEqual(1_795);
});

it('one caller has no more than a third of any minute', async () => {
  let now = 0;
  const budget = new MemorySharedBudget(30, () => now);
  const grantedAt: number[] = [];
  for (; now < 20 * MINUTE_MS; now += 100) if ((await budget.take({ caller: 'greedy', lane: 'interactive' })).granted) grantedAt.push(now);
  const mostInAMinute = Math.max(...grantedAt.map((start) => grantedAt.filter((at) => at >= start && at < start + MINUTE_MS).length));
  expect(mostInAMinute).toBeLessThanOrEqual(10);
});

it('a rate that was halved comes back in equal steps, and each further refusal halves it again', async () => {
  let now = 0;
  const budget = new MemorySharedBudget(40, () => now);
  await budget.slowDown();
  now += 10_000;
  await budget.slowDown();
  expect(budget.perMinute).toBeCloseTo(10.33, 1);
  now += 5 * MINUTE_MS;
  expect(budget.perMinute).toBeCloseTo(30.33, 1);
  now += 5 * MINUTE_MS;
  expect(budget.perMinute).toBe(40);
});
