import { describe, expect, it } from 'vitest';
import { InlineTextWork } from './inline-text-work.js';
import { CachedTokenCounter } from './cached-token-counter.js';

/** Counts in place and notes what it was asked to count. */
class NotingWork extends InlineTextWork {
  readonly jobs: string[][] = [];

  override tokens(caller: string, texts: readonly string[], limit: number): Promise<number[]> {
    this.jobs.push([...texts]);
    return super.tokens(caller, texts, limit);
  }
}

const counting = () => {
  const work = new NotingWork();
  const counter = new CachedTokenCounter(work);
  const count = (contents: readonly string[], limit = 1_000_000) =>
    counter.count(
      contents.map((content, i) => ({ id: `m${i}`, version: 1, content })),
      limit,
      'alice',
    );
  return { work, counter, count };
};

describe('the token counter', () => {
  it('takes what looks like a control token for text, and pieces of a long text as one', async () => {
    const [control, one, long] = await counting().count(['<|endoftext|>', 'cà phê', 'cà phê '.repeat(2_000)]);
    expect(control).toBeGreaterThan(1);
    expect(long).toBeGreaterThanOrEqual(2_000 * ((one ?? 0) - 1));
  });

  it('never cuts a surrogate pair', async () => {
    const [odd, even] = await counting().count([`x${'👍'.repeat(6_000)}`, '👍'.repeat(6_000)]);
    expect(Math.abs((odd ?? 0) - (even ?? 0))).toBeLessThan(10);
  });

  it('stops with the message that passes the limit, and inside of that one when it is long', async () => {
    const { work, count } = counting();
    const counts = await count(['one', 'two', '漢字'.repeat(8_000), 'three'], 100);
    expect(counts).toHaveLength(3);
    expect(counts[2]).toBeGreaterThan(100);
    expect(counts[2]).toBeLessThan(1_000);
    expect(work.jobs.flat().join('').length).toBeLessThan(5_000);
  });

  it('counts a version of a message once, in jobs of at most 4,096 units or one text', async () => {
    const { work, counter, count } = counting();
    const contents = [...Array.from({ length: 30 }, (_, i) => `${i} ${'word '.repeat(100)}`), 'long '.repeat(3_000)];
    const counts = await count(contents);
    for (const texts of work.jobs) expect(texts.join('').length).toBeLessThanOrEqual(4_096);
    const asked = work.jobs.length;
    expect(await count(contents)).toEqual(counts);
    expect(work.jobs.length).toBe(asked);
    expect(await counter.count([{ id: 'm0', version: 2, content: 'edited' }], 100, 'bob')).toEqual([1]);
    expect(work.jobs.length).toBe(asked + 1);
  });

  it('does not remember a count that was cut short', async () => {
    const { count } = counting();
    const content = 'word '.repeat(1_000);
    const [cut] = await count([content], 10);
    const [whole] = await count([content]);
    expect(whole).toBeGreaterThanOrEqual(1_000);
    expect(cut).toBeLessThan(whole ?? 0);
  });
});
