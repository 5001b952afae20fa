import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '#lib/testing/send-journal';
import { isAccepting } from './observe.js';
import { staleAnswers } from './truth.js';

/** Sends at a steady rate over the ten seconds before now, all answered alike. */
const sends = (perSecond: number, status = 202) =>
  Array.from({ length: perSecond * 10 }, (_, i) => ({ at: 10_000 - (i * 1_000) / perSecond - 1, ms: 5, status }));

describe('a load', () => {
  it.each([1, 2, 5, 19, 100])('of %i messages/s is seen to be accepted when all of its last sends were', (perSecond) => {
    expect(isAccepting(sends(perSecond), perSecond, 10_000)).toBe(true);
    expect(isAccepting(sends(perSecond).with(0, { at: 9_999, ms: 5, status: 503 }), perSecond, 10_000)).toBe(false);
    expect(isAccepting([], perSecond, 10_000)).toBe(false);
  });

  it('is not seen to be accepted by a few answers of many', () => {
    expect(isAccepting(sends(5), 100, 10_000)).toBe(false);
  });
});

describe('what a search showed', () => {
  const entry: JournalEntry = {
    key: 'k',
    conversationId: 'c',
    content: 'first',
    acknowledged: { id: 'm', seq: 1 },
    changes: [
      { content: 'second', askedAt: 100, acknowledgedAt: 200 },
      { content: null, askedAt: 300, acknowledgedAt: 400 },
    ],
  };
  const shown = (at: number, content: string) =>
    staleAnswers([{ at, ms: 5, status: 200, isWhole: true, shown: [['m', content]] }], [entry]).length;

  it('is stale when it was replaced or deleted before the search began, and only then', () => {
    expect([shown(50, 'first'), shown(150, 'first'), shown(150, 'second'), shown(350, 'second')]).toEqual([0, 0, 0, 0]);
    expect([shown(250, 'first'), shown(450, 'second'), shown(450, 'first'), shown(50, 'never said')]).toEqual([1, 1, 1, 1]);
  });
});
