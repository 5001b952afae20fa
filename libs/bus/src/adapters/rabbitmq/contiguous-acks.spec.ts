import { describe, expect, it } from 'vitest';
import { ContiguousAcks } from './contiguous-acks.js';

const opened = (...tags: number[]): ContiguousAcks => {
  const acks = new ContiguousAcks();
  for (const tag of tags) acks.received(tag);
  return acks;
};

describe('ContiguousAcks', () => {
  it('a settled prefix is acknowledged with one multiple', () => {
    expect(opened(1, 2, 3, 4).settle([3, 1, 2])).toEqual([{ tag: 3, isMultiple: true }]);
  });

  it('a multiple never covers a gap: tags beyond it are acknowledged one by one', () => {
    expect(opened(1, 2, 3, 4, 5).settle([1, 2, 4, 5])).toEqual([
      { tag: 2, isMultiple: true },
      { tag: 4, isMultiple: false },
      { tag: 5, isMultiple: false },
    ]);
  });

  it('a closed gap does not repeat tags acknowledged beyond it', () => {
    const acks = opened(1, 2, 3, 4);
    acks.settle([2, 3]);
    expect(acks.settle([1])).toEqual([{ tag: 1, isMultiple: false }]);
    expect(acks.settle([4])).toEqual([{ tag: 4, isMultiple: false }]);
    expect(acks.openCount).toBe(0);
  });

  it('a multiple ends with a tag that is still open: the broker closes the channel over another', () => {
    const acks = opened(1, 2, 3, 4);
    acks.settle([3]);
    expect(acks.settle([1, 2])).toEqual([{ tag: 2, isMultiple: true }]);
  });

  it('a tag that is settled twice or was never received is ignored', () => {
    const acks = opened(1, 2);
    acks.settle([1]);
    expect(acks.settle([1, 9])).toEqual([]);
  });

  it('each tag is settled exactly once, whatever the order', () => {
    const tags = Array.from({ length: 200 }, (_, index) => index + 1);
    const acks = opened(...tags);
    const left = new Set(tags);
    // A fixed shuffle: 37 and 200 have no common factor, so every tag comes once.
    const shuffled = tags.map((_, index) => ((index * 37) % 200) + 1);
    for (let at = 0; at < shuffled.length; at += 7) {
      const batch = shuffled.slice(at, at + 7);
      const open = new Set(left);
      for (const { tag, isMultiple } of acks.settle(batch)) {
        expect(left.has(tag)).toBe(true);
        for (const each of isMultiple ? tags.filter((other) => other <= tag) : [tag]) left.delete(each);
      }
      expect([...open].filter((tag) => !left.has(tag)).every((tag) => batch.includes(tag))).toBe(true);
    }
    expect(left.size).toBe(0);
  });
});
