import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runInContext } from '#lib/runtime/log/context';
import { AttributedFailures, attributedTo, CALLERS_TO_BLAME, currentCaller } from './attribution.js';
import { createBreakers } from '../adapters/opossum-breaker.js';
import { DependencyCall } from './dependency-call.js';
import { DependencyError } from './errors.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('the caller is the user of the request, unless the work is attributed to another', () => {
  expect(currentCaller()).toBeUndefined();
  runInContext({ userId: 'alice' }, () => {
    expect(currentCaller()).toBe('alice');
    attributedTo('bob', () => expect(currentCaller()).toBe('bob'));
  });
});

describe('failures that a caller’s data may cause', () => {
  it('count against the dependency when several callers met one lately', async () => {
    const failures = new AttributedFailures();
    for (let i = 0; i < 100; i += 1) expect(failures.count('mallory')).toBe(false);
    expect(failures.count('bob')).toBe(false);
    expect(failures.count('carol')).toBe(true);
    await vi.advanceTimersByTimeAsync(10_001);
    expect(failures.count('mallory')).toBe(false);
  });

  it('count at once in work of our own, which has no caller', () => {
    expect(new AttributedFailures().count(undefined)).toBe(true);
  });
});

describe('a breaker', () => {
  const failing = (isAttributable: boolean) => () =>
    Promise.reject(new DependencyError('postgres', 'reads', 'timeout', { isAttributable }));
  const setup = () => {
    const breakers = createBreakers();
    const call = new DependencyCall({ dependency: 'postgres', operation: 'reads', timeoutMs: 1_000 }, breakers);
    const fail = (userId: string, isAttributable = true) =>
      runInContext({ userId }, () => call.run(failing(isAttributable)).catch(({ kind }: DependencyError) => kind));
    return { call, fail };
  };

  it('stays closed, however often the data of one caller is too much', async () => {
    const { call, fail } = setup();
    for (let i = 0; i < 50; i += 1) expect(await fail('mallory')).toBe('timeout');
    expect(call.state).toBe('closed');
  });

  it('opens when several callers meet the same', async () => {
    const { call, fail } = setup();
    for (let i = 0; call.state === 'closed' && i < 20; i += 1) await fail(`user-${i % CALLERS_TO_BLAME}`);
    expect(call.state).toBe('open');
  });

  it('opens as fast as ever on what the dependency does, for one caller too', async () => {
    const { call, fail } = setup();
    for (let i = 0; i < 5; i += 1) await fail('alice', false);
    expect(call.state).toBe('open');
  });
});
