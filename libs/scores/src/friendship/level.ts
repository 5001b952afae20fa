import type { Level } from '#lib/contracts/scores';

/** The least score of each level. 100 is two very good conversations or about five usual ones, 500 about five times as many. */
export const LEVEL_FROM = { stranger: 0, acquaintance: 100, friend: 500 } as const satisfies Record<Level, number>;

/** The level of a score; a higher score never has a lower level. */
export const levelOf = (score: number): Level => {
  if (score >= LEVEL_FROM.friend) return 'friend';
  return score >= LEVEL_FROM.acquaintance ? 'acquaintance' : 'stranger';
};
