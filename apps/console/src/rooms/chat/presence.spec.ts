import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Api } from '../../shared/api.js';
import { Presence } from './presence.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('what a frame tells while an answer is on its way is newer than the answer', async () => {
  const { promise, resolve } = Promise.withResolvers<object>();
  const presence = new Presence({ ask: () => promise } as unknown as Api, () => ['bob', 'carol', 'dan']);
  presence.heard('carol', false);
  presence.ask();
  await vi.advanceTimersByTimeAsync(1_000);

  presence.heard('bob', false);
  resolve({ items: ['bob', 'carol', 'dan'].map((userId) => ({ userId, online: userId !== 'dan' })) });
  await vi.advanceTimersByTimeAsync(0);

  expect([...presence.online.get()]).toEqual(['carol']);
  presence.end();
});
