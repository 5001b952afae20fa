import { describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { pick, seededRandom } from '#lib/testing/random';
import {
  type AppliedChange,
  applyScore,
  type FriendshipStatus,
  markedDegraded,
  MAX_DEGRADED_ENDS,
  newFriendship,
  sumOfTopics,
} from './friendship.js';
import { anEndScore, aRandomEndScore } from './builders.contract.js';

/** The status with `updatedAt`, and the change as the store would keep it. */
const applied = (status: FriendshipStatus, score: AppliedChange | ReturnType<typeof anEndScore>, before: readonly AppliedChange[] = []) => {
  const { status: next, scoreChange, topicChanges } = applyScore(status, score, before);
  const change: AppliedChange = {
    ...score,
    revision: before.length + 1,
    scoreChange,
    topicChanges,
    scoreAfter: next.score,
    isDegradedAfter: next.degradedEnds.length > 0,
    statusVersion: next.version,
    appliedAt: new Date(),
  };
  return { status: { ...next, updatedAt: new Date() }, change };
};

describe('applying a score', () => {
  it('raises the score, its topics and the version', () => {
    const { status, change } = applied(newFriendship('alice'), anEndScore({ worth: 10, topics: ['music', 'food'] }));
    expect(status).toMatchObject({ score: 10, version: 1, topicMetrics: { music: { score: 6, conversations: 1 }, food: { score: 4 } } });
    expect(change).toMatchObject({ scoreChange: 10, topicChanges: { music: 6, food: 4 }, scoreAfter: 10, statusVersion: 1 });
  });

  it('stops at 0, and then the change is smaller than what was computed', () => {
    const first = applied(newFriendship('alice'), anEndScore({ worth: 5, topics: ['music'] }));
    const second = applied(first.status, anEndScore({ worth: -14, topics: ['food'] }));
    expect(second.change).toMatchObject({ scoreChange: -5, scoreAfter: 0 });
    expect(sumOfTopics(second.status)).toBe(0);
  });

  it('replaces what the same end was worth before, and the topics that it had', () => {
    const first = applied(newFriendship('alice'), anEndScore({ worth: 12, topics: ['music', 'food'] }));
    const again = anEndScore({ ...first.change, worth: 20, topics: ['food'] });
    const second = applied(first.status, again, [first.change]);
    expect(second.change).toMatchObject({ scoreChange: 8, topicChanges: { music: -7, food: 15 } });
    expect(second.status).toMatchObject({ score: 20, topicMetrics: { food: { score: 20, conversations: 1 } } });
    expect(second.status.topicMetrics).not.toHaveProperty('music');
    const third = applied(second.status, anEndScore({ ...again, topics: ['music'] }), [first.change, second.change]);
    expect(third.status).toMatchObject({ score: 20, topicMetrics: { music: { score: 20, conversations: 1 } } });
    expect(third.status.topicMetrics).not.toHaveProperty('food');
  });

  it('is no longer degraded when the last end that was has its score', () => {
    const end = anEndScore({});
    const degraded = markedDegraded(markedDegraded(newFriendship('alice'), end.endId), 'another');
    expect(degraded).toMatchObject({ degradedEnds: [end.endId, 'another'], version: 2, score: 0 });
    expect(markedDegraded(degraded, end.endId)).toBe(degraded);
    expect(applied(degraded, end).status.degradedEnds).toEqual(['another']);
  });

  it('names a bounded number of degraded ends', () => {
    let status = newFriendship('alice');
    for (let i = 0; i <= MAX_DEGRADED_ENDS; i += 1) status = markedDegraded(status, `end-${i}`);
    expect(status.degradedEnds).toHaveLength(MAX_DEGRADED_ENDS);
    expect(status.degradedEnds[0]).toBe('end-1');
  });

  it.each([3, 4, 5])('keeps the score equal to its history and to its topics, whatever comes in which order (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const ends = Array.from({ length: 12 }, newId);
    const histories = new Map<string, AppliedChange[]>(ends.map((id) => [id, []]));
    let status = newFriendship('alice');
    for (let i = 0; i < 500; i += 1) {
      const endId = pick(random, ends);
      const before = histories.get(endId) ?? [];
      const next = applied(status, aRandomEndScore(random, { endId }), before);
      before.push(next.change);
      status = next.status;
      const history = [...histories.values()].flat().reduce((sum, { scoreChange }) => sum + scoreChange, 0);
      expect([status.score, sumOfTopics(status)]).toEqual([history, history]);
      expect(status.score).toBeGreaterThanOrEqual(0);
      expect(Object.values(status.topicMetrics).every(({ conversations }) => conversations <= ends.length)).toBe(true);
    }
    const scored = ends.filter((id) => (histories.get(id) ?? []).length > 0).length;
    const mentions = Object.values(status.topicMetrics).reduce((sum, { conversations }) => sum + conversations, 0);
    expect(mentions).toBeGreaterThanOrEqual(scored);
  });
});
