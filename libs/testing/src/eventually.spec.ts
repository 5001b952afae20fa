import { describe, expect, it } from 'vitest';
import { eventually } from './eventually.js';

describe('eventually', () => {
  it('returns what the assertion returned as soon as it passes', async () => {
    let tries = 0;
    const value = await eventually(() => {
      tries += 1;
      expect(tries).toBeGreaterThan(3);
      return tries;
    });
    expect(value).toBe(4);
  });

  it('throws the last error with what was waited for and how long', async () => {
    const attempt = eventually(() => expect(1).toBe(2), { timeoutMs: 60, everyMs: 5, what: 'one to become two' });
    await expect(attempt).rejects.toThrow(/^one to become two did not come true within \d+ ms: expected 1 to be 2/);
  });

  it('does not wait for a try that never answers', async () => {
    await expect(eventually(() => new Promise(() => undefined), { timeoutMs: 40 })).rejects.toThrow('the first try did not come back');
  });

  it('keeps the error of the last finished try when a later one hangs', async () => {
    let tries = 0;
    const attempt = eventually(() => (++tries === 1 ? Promise.reject(new Error('not yet')) : new Promise(() => undefined)), {
      timeoutMs: 60,
      everyMs: 1,
    });
    await expect(attempt).rejects.toThrow('not yet');
  });
});
