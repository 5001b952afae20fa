import { afterEach, describe, expect, it, vi } from 'vitest';
import { DeadlineExceeded, DependencyError } from './errors.js';
import { RetryBudget, waitBeforeRetry } from './retry.js';

afterEach(() => vi.restoreAllMocks());

const timeout = new DependencyError('chroma', 'query', 'timeout');
const failed = (overrides: Partial<Parameters<typeof waitBeforeRetry>[0]> = {}) => ({
  error: timeout,
  attempt: 1,
  attempts: 3,
  backoff: { baseMs: 100, capMs: 1_000 },
  budget: new RetryBudget(),
  remainingMs: Number.POSITIVE_INFINITY,
  ...overrides,
});

describe('the wait before a retry', () => {
  it('is anywhere between nothing and a limit that doubles with each attempt up to the cap', () => {
    const random = vi.spyOn(Math, 'random');
    const wait = (attempt: number, luck: number) => {
      random.mockReturnValue(luck);
      return waitBeforeRetry(failed({ attempt, backoff: { baseMs: 100, capMs: 150 } }));
    };

    expect([wait(1, 0), wait(1, 0.5), wait(1, 1), wait(2, 1)]).toEqual([0, 50, 100, 150]);
  });

  it('differs from call to call, so that callers who failed together do not come back together', () => {
    const waits = new Set(Array.from({ length: 10 }, () => waitBeforeRetry(failed())));

    expect(waits.size).toBeGreaterThan(5);
  });
});

it.each([
  ['the breaker is open', { error: new DependencyError('chroma', 'query', 'open') }],
  ['our own limit is reached', { error: new DependencyError('chroma', 'query', 'overloaded') }],
  ['the time is up', { error: new DeadlineExceeded(100) }],
  ['the dependency answered', { error: new Error('404') }],
  ['all attempts are made', { attempt: 3 }],
  ['three attempts are made, whatever the policy says', { attempt: 3, attempts: 10 }],
  ['the deadline comes first', { remainingMs: 0 }],
  ['the budget is empty', { budget: new RetryBudget(0.1, 0) }],
])('a call is not retried when %s', (_, situation) => {
  expect(waitBeforeRetry(failed(situation))).toBeUndefined();
});

describe('the budget', () => {
  it('allows a burst, then one retry for ten calls', () => {
    const budget = new RetryBudget(0.1, 2);

    expect([budget.takeRetry(), budget.takeRetry(), budget.takeRetry()]).toEqual([true, true, false]);
    for (let call = 0; call < 11; call += 1) budget.countCall();

    expect([budget.takeRetry(), budget.takeRetry()]).toEqual([true, false]);
  });

  it('saves no more than the burst, however long all went well', () => {
    const budget = new RetryBudget(0.1, 2);
    for (let call = 0; call < 1_000; call += 1) budget.countCall();

    expect([budget.takeRetry(), budget.takeRetry(), budget.takeRetry()]).toEqual([true, true, false]);
  });

  it('is not charged for a retry that does not happen', () => {
    const budget = new RetryBudget(0.1, 1);

    waitBeforeRetry(failed({ budget, attempt: 3 }));
    waitBeforeRetry(failed({ budget, remainingMs: 0 }));

    expect(budget.takeRetry()).toBe(true);
  });
});
