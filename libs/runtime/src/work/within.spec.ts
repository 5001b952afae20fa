import { describe, expect, it } from 'vitest';
import { within, withTimeLimit } from './within.js';

const never = () => new Promise<never>(() => undefined);

describe('withTimeLimit', () => {
  it('gives the result of work that is done in time, and asks nothing else', async () => {
    expect(await withTimeLimit(10_000, Promise.resolve('done'), () => expect.unreachable('not late'))).toBe('done');
  });

  it('throws what the work throws', async () => {
    await expect(withTimeLimit(10_000, Promise.reject(new Error('broken')), () => 'late')).rejects.toThrow('broken');
  });

  it('gives what is wanted instead when the work is late, or throws it', async () => {
    expect(await withTimeLimit(5, never(), () => 'late')).toBe('late');
    const refuse = () => {
      throw new Error('too late');
    };
    await expect(withTimeLimit(5, never(), refuse)).rejects.toThrow('too late');
  });

  it('drops what late work rejects with', async () => {
    const { promise: work, reject } = Promise.withResolvers<never>();
    expect(await withTimeLimit(5, work, () => 'late')).toBe('late');
    reject(new Error('nobody waits')); // an unhandled rejection would fail the run
    await expect(work).rejects.toThrow('nobody waits');
  });

  it('leaves no timer behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    await withTimeLimit(60_000, Promise.resolve(), () => undefined);
    expect(timers()).toBe(before);
  });
});

describe('within', () => {
  it('says whether the work came to its end', async () => {
    expect(await within(10_000, Promise.resolve(undefined))).toBe(true);
    expect(await within(5, never())).toBe(false);
    await expect(within(10_000, Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  });
});
