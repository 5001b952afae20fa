import { expect, it } from 'vitest';
import { parseConfig } from '#lib/runtime/config/config';
import { userLimits } from './user-limits.js';

const limitsOf = (settings: Record<string, string> = {}) =>
  userLimits(parseConfig({ DATABASE_URL: 'postgres://unused', RABBITMQ_URL: 'amqp://unused', CHROMA_URL: 'http://unused', ...settings }));

it('the defaults limit what one user may use', () => {
  expect(limitsOf()).toEqual({
    concurrent: 50,
    bytesPerSecond: 2_000_000,
    bodyBytesPerSecond: 1_000_000,
    conversationsPerDay: 1_000,
    additionsPerDay: 10_000,
  });
});

it('a rate limit of 0 lifts every limit per user that is not set', () => {
  expect(limitsOf({ RATE_LIMIT_PER_USER: '0', DAILY_ADDITIONS_PER_USER: '5' })).toEqual({
    concurrent: 0,
    bytesPerSecond: 0,
    bodyBytesPerSecond: 0,
    conversationsPerDay: 0,
    additionsPerDay: 5,
  });
});
