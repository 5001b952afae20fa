import { describe, expect, it } from 'vitest';
import { Emotion, Topic } from '#lib/contracts/scores';
import { pick, seededRandom } from '#lib/testing/random';
import { LEVEL_FROM, levelOf } from './level.js';
import { MAX_CHANGE, MIN_CHANGE, scoreChangeOf, splitOverTopics } from './score-change.js';

const chat = { userTurns: 6, userQuestions: 2, emotion: 'happy', memories: 1 } as const;

describe('the change of a score', () => {
  it('is made of turns, questions, mood and memories, and says so', () => {
    expect(scoreChangeOf(chat)).toEqual({
      change: 6 + 4 + 6 + 2,
      reasons: ['+6: 6 turns of the user', '+4: 2 questions', '+6: emotion happy', '+2: 1 memory'],
    });
  });

  it('is nothing when the user said nothing, whatever the analysis says', () => {
    expect(scoreChangeOf({ userTurns: 0, userQuestions: 1_000, emotion: 'angry', memories: 1_000 })).toMatchObject({ change: 0 });
  });

  it('counts nothing more often than the user took a turn', () => {
    expect(scoreChangeOf({ userTurns: 1, userQuestions: 999, emotion: 'happy', memories: 999 }).change).toBe(1 + 2 + 1 + 2);
  });

  it('says when it was limited', () => {
    expect(scoreChangeOf({ userTurns: 500, userQuestions: 500, emotion: 'happy', memories: 500 })).toMatchObject({
      change: MAX_CHANGE,
      reasons: expect.arrayContaining(['+60 is limited to +50']),
    });
  });

  it('falls when the user is angry, and stays when it is sad', () => {
    expect(scoreChangeOf({ ...chat, userTurns: 1, userQuestions: 0, memories: 0, emotion: 'angry' }).change).toBe(-14);
    expect(scoreChangeOf({ ...chat, emotion: 'sad' }).change).toBe(scoreChangeOf({ ...chat, emotion: 'neutral' }).change);
  });

  it('stays within its limits for 10,000 conversations, and never falls when one more question is asked', () => {
    const random = seededRandom(1);
    const upTo = (most: number) => Math.floor(random() * most);
    for (let i = 0; i < 10_000; i += 1) {
      const one = { userTurns: upTo(60), userQuestions: upTo(40), emotion: pick(random, Emotion.options), memories: upTo(20) };
      const { change } = scoreChangeOf(one);
      expect(change).toBeGreaterThanOrEqual(MIN_CHANGE);
      expect(change).toBeLessThanOrEqual(MAX_CHANGE);
      expect(scoreChangeOf({ ...one, userQuestions: one.userQuestions + 1 }).change).toBeGreaterThanOrEqual(change);
    }
  });
});

describe('splitting points over topics', () => {
  it('gives the main topic most, and the rest to the largest remainders', () => {
    expect(splitOverTopics(10, ['music', 'food', 'work'])).toEqual({ music: 5, food: 3, work: 2 });
    expect(splitOverTopics(-14, ['music', 'food'])).toEqual({ music: -8, food: -6 });
    expect(splitOverTopics(7, [])).toEqual({ other: 7 });
    expect(splitOverTopics(0, ['music'])).toEqual({ music: 0 });
  });

  it('loses no point, for every number and every count of topics', () => {
    const random = seededRandom(2);
    for (let points = MIN_CHANGE; points <= MAX_CHANGE; points += 1) {
      for (let count = 0; count <= 5; count += 1) {
        const topics = Array.from({ length: count }, () => pick(random, Topic.options));
        const parts = Object.values(splitOverTopics(points, topics));
        expect(parts.reduce((sum, part) => sum + part, 0)).toBe(points);
        expect(parts.every((part) => Object.is(part, 0) || Math.sign(part) === Math.sign(points))).toBe(true);
      }
    }
  });
});

describe('the level of a score', () => {
  it('begins at its boundaries', () => {
    expect([0, 99, 100, 499, 500, 1_000_000].map(levelOf)).toEqual([
      'stranger',
      'stranger',
      'acquaintance',
      'acquaintance',
      'friend',
      'friend',
    ]);
  });

  it('never falls while the score rises', () => {
    const ranks = Array.from({ length: 1_000 }, (_, score) => Object.keys(LEVEL_FROM).indexOf(levelOf(score)));
    expect(ranks).toEqual(ranks.toSorted((one, other) => one - other));
  });
});
