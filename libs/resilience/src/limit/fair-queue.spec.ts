import { describe, expect, it } from 'vitest';
import { FairQueue } from './fair-queue.js';

const drained = (queue: FairQueue<string>): string[] => {
  const entries: string[] = [];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) entries.push(next);
  return entries;
};

describe('a fair queue', () => {
  it('serves owners in turn, each in the order of its entries', () => {
    const queue = new FairQueue<string>();
    for (const entry of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2']) queue.push(entry.charAt(0), entry);
    expect(queue).toMatchObject({ size: 6 });
    expect(drained(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
    expect(queue).toMatchObject({ size: 0 });
  });

  it('lets one who comes late wait for one entry of each other owner, however many they have', () => {
    const queue = new FairQueue<string>();
    for (let i = 0; i < 1_000; i += 1) queue.push('a', `a${i}`);
    queue.shift();
    queue.push('b', 'b0');
    expect([queue.shift(), queue.shift()]).toEqual(['a1', 'b0']);
  });

  it('forgets an entry that waits no longer', () => {
    const queue = new FairQueue<string>();
    queue.push('a', 'a1');
    queue.push('a', 'a2');
    queue.push('b', 'b1');
    queue.remove('a', 'a1');
    queue.remove('b', 'b1');
    queue.remove('b', 'b1');
    queue.remove('c', 'c1');
    expect(queue).toMatchObject({ size: 1 });
    expect(queue.sizeOf('a')).toBe(1);
    expect(drained(queue)).toEqual(['a2']);
  });
});
