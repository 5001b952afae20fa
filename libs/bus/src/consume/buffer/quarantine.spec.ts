import { describe, expect, it } from 'vitest';
import { Quarantine } from './quarantine.js';

describe('Quarantine', () => {
  it('suspects leave the quarantine one at a time, in random order', () => {
    const quarantine = new Quarantine<string>(() => 0.99);
    for (const suspect of ['a', 'b', 'c']) quarantine.add(suspect);
    expect([quarantine.takeOne(), quarantine.takeOne(), quarantine.takeOne(), quarantine.takeOne()]).toEqual([['c'], ['b'], ['a'], []]);
  });

  it('innocent suspects pass although the poison crashes each process that takes it', () => {
    const innocent = Array.from({ length: 49 }, (_, index) => `good ${index}`);
    let left = ['killer', ...innocent];
    let deaths = 0;
    for (; left.length > 1 && deaths < 17; deaths += 1) {
      const quarantine = new Quarantine<string>();
      for (const suspect of left) quarantine.add(suspect);
      for (let [taken] = quarantine.takeOne(); taken !== 'killer'; [taken] = quarantine.takeOne())
        left = left.filter((each) => each !== taken);
    }
    expect(left).toEqual(['killer']);
  });

  it('a dropped suspect is forgotten', () => {
    const quarantine = new Quarantine<number>();
    for (const suspect of [1, 2, 3]) quarantine.add(suspect);
    quarantine.drop((suspect) => suspect < 3);
    expect(quarantine.items()).toEqual([3]);
  });
});
