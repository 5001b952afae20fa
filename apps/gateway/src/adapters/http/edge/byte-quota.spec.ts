import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ByteQuota } from './byte-quota.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('a quota of bytes lets a caller read ten seconds’ worth at once, and one answer beyond it', () => {
  const quota = new ByteQuota(1_000);
  quota.charge('alice', 10_000);
  expect(quota.retryAfterSeconds('alice')).toBe(0);
  quota.charge('alice', 2_500);
  expect(quota.retryAfterSeconds('alice')).toBe(3);
  expect(quota.retryAfterSeconds('bob')).toBe(0);
});

it('a quota of bytes is paid off at its rate', () => {
  const quota = new ByteQuota(1_000);
  quota.charge('alice', 12_500);
  vi.advanceTimersByTime(2_499);
  expect(quota.retryAfterSeconds('alice')).toBe(1);
  vi.advanceTimersByTime(2);
  expect(quota.retryAfterSeconds('alice')).toBe(0);
});

it('a quota of bytes of 0 refuses no caller', () => {
  const quota = new ByteQuota(0);
  quota.charge('alice', Number.MAX_SAFE_INTEGER);
  expect(quota.retryAfterSeconds('alice')).toBe(0);
});
