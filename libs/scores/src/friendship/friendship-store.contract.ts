import { beforeEach, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { pick, seededRandom } from '#lib/testing/random';
import { anEndScore, aRandomEndScore } from './builders.contract.js';
import type { EndScore } from './friendship.js';
import { sumOfTopics } from './friendship.js';
import type { ApplyOutcome, ApplyWhen, FriendshipStorePort } from './friendship-store.port.js';

/** An empty store, ways to add ends and to erase their user, and one to make the status of a user untrue. */
export interface FriendshipStoreSetup {
  readonly store: FriendshipStorePort;
  readonly addEnd: (end: Pick<EndScore, 'endId' | 'userId' | 'conversationId'>) => Promise<void>;
  readonly erase: (userId: string) => Promise<void>;
  readonly falsify: (userId: string) => Promise<void>;
}

/** What every store of scores promises. */
export function friendshipStoreContract(name: string, make: () => Promise<FriendshipStoreSetup>): void {
  let store: FriendshipStorePort;
  let setup: FriendshipStoreSetup;

  describe(`the store of scores ${name}`, () => {
    beforeEach(async () => {
      setup = await make();
      ({ store } = setup);
    });

    /** The score of an end that is there. */
    const anEnd = async (differences: Partial<EndScore> = {}): Promise<EndScore> => {
      const score = anEndScore(differences);
      await setup.addEnd(score);
      return score;
    };
    /** It is applied, unless its end is gone. */
    const applied = async (score: EndScore, when: ApplyWhen = 'unscored'): Promise<ApplyOutcome> => {
      const outcome = await store.apply(score, when);
      if (outcome === undefined) throw new Error('this end is gone');
      return outcome;
    };

    const historyOf = (userId: string, limit = 1_000) => store.history(userId, { before: undefined, limit });

    it('knows nothing of a new user, and stores nothing when it is asked', async () => {
      expect(await store.find('new')).toEqual({
        userId: 'new',
        score: 0,
        topicMetrics: {},
        degradedEnds: [],
        version: 0,
        updatedAt: undefined,
      });
      expect(await historyOf('new')).toEqual([]);
      expect(await store.compare(undefined, 10)).toEqual({ checked: 0, lastUserId: undefined, disagreements: [] });
    });

    it('applies a score to status, topics and history', async () => {
      const score = await anEnd({ worth: 10, topics: ['music', 'food'] });
      const { change, isNew } = await applied(score);
      expect(isNew).toBe(true);
      expect(change).toEqual({
        ...score,
        revision: 1,
        scoreChange: 10,
        topicChanges: { music: 6, food: 4 },
        scoreAfter: 10,
        isDegradedAfter: false,
        statusVersion: 1,
        appliedAt: expect.any(Date),
      });
      const lastAt = score.endedAt.toISOString();
      expect(await store.find('alice')).toEqual({
        userId: 'alice',
        score: 10,
        topicMetrics: { music: { conversations: 1, score: 6, lastAt }, food: { conversations: 1, score: 4, lastAt } },
        degradedEnds: [],
        version: 1,
        updatedAt: change.appliedAt,
      });
      expect(await historyOf('alice')).toEqual([change]);
      expect(await store.lastChange(score.endId, score.scoringVersion)).toEqual(change);
      expect(await store.lastChange(score.endId, score.scoringVersion + 1)).toBeUndefined();
      const other = newId();
      expect(await store.unscored([score.endId, other], score.scoringVersion)).toEqual(new Set([other]));
      expect(await store.unscored([], score.scoringVersion)).toEqual(new Set());
    });

    it('applies one end once, however many workers bring it and whatever they found', async () => {
      const score = await anEnd();
      const outcomes = await Promise.all(Array.from({ length: 8 }, (_, i) => applied({ ...score, worth: 10 + i, fingerprint: `${i}` })));
      const changes = await historyOf('alice');
      expect(changes).toHaveLength(1);
      expect(outcomes.filter(({ isNew }) => isNew)).toHaveLength(1);
      for (const { change } of outcomes) expect(change).toEqual(changes[0]);
      expect(await store.find('alice')).toMatchObject({ score: changes[0]?.scoreChange, version: 1 });
    });

    it('loses none of many ends that come at the same time, also as the first ones of a user', async () => {
      const scores = await Promise.all(
        Array.from({ length: 8 }, (_, i) => anEnd({ userId: 'busy', worth: i + 1, topics: ['work', 'food', 'music'] })),
      );
      await Promise.all(scores.map((score) => store.apply(score, 'unscored')));
      const status = await store.find('busy');
      expect([status.score, sumOfTopics(status), status.version]).toEqual([36, 36, 8]);
      expect((await historyOf('busy')).map(({ statusVersion }) => statusVersion)).toEqual([8, 7, 6, 5, 4, 3, 2, 1]);
    });

    it('scores an end again when its transcript changed, by the difference', async () => {
      const score = await anEnd({ worth: 10 });
      await store.apply(score, 'unscored');
      expect(await store.apply({ ...score, worth: 30 }, 'changed')).toMatchObject({ isNew: false, change: { revision: 1 } });
      const again = await Promise.all(Array.from({ length: 3 }, () => applied({ ...score, worth: 4, fingerprint: 'edited' }, 'changed')));
      expect(again.filter(({ isNew }) => isNew)).toMatchObject([{ change: { revision: 2, scoreChange: -6, scoreAfter: 4 } }]);
      const newer = await store.apply({ ...score, worth: 5, scoringVersion: score.scoringVersion + 1 }, 'unscored');
      expect(newer).toMatchObject({ isNew: true, change: { revision: 1, scoreChange: 1, scoreAfter: 5 } });
      expect((await historyOf('alice')).map(({ scoreChange }) => scoreChange)).toEqual([1, -6, 10]);
    });

    it('names degraded ends until they have their score', async () => {
      const [one, other] = [await anEnd(), await anEnd()];
      const marked = await store.markDegraded(one);
      expect(marked).toMatchObject({ degradedEnds: [one.endId], version: 1, score: 0, updatedAt: expect.any(Date) });
      expect(await store.markDegraded(one)).toEqual(marked);
      await store.markDegraded(other);
      expect(await store.apply(one, 'unscored')).toMatchObject({ change: { isDegradedAfter: true, statusVersion: 3 } });
      expect(await store.apply(other, 'unscored')).toMatchObject({ change: { isDegradedAfter: false } });
      expect(await store.markDegraded(one)).toMatchObject({ degradedEnds: [], version: 4 });
    });

    it('shows the history page by page, newest first, and of one user alone', async () => {
      for (let i = 0; i < 5; i += 1) await store.apply(await anEnd({ worth: i }), 'unscored');
      await store.apply(await anEnd({ userId: 'bob' }), 'unscored');
      const first = await historyOf('alice', 2);
      expect(first.map(({ statusVersion }) => statusVersion)).toEqual([5, 4]);
      const rest = await store.history('alice', { before: 4, limit: 10 });
      expect(rest.map(({ statusVersion }) => statusVersion)).toEqual([3, 2, 1]);
    });

    it('finds the statuses that are not the sum of their topics and their history, page by page', async () => {
      for (const userId of ['u1', 'u2', 'u3']) await store.apply(await anEnd({ userId, worth: 7 }), 'unscored');
      await store.markDegraded(await anEnd({ userId: 'u4' }));
      await setup.falsify('u2');
      const first = await store.compare(undefined, 2);
      expect(first).toEqual({ checked: 2, lastUserId: 'u2', disagreements: [{ userId: 'u2', score: 8, topics: 7, history: 7 }] });
      expect(await store.compare('u2', 3)).toEqual({ checked: 2, lastUserId: undefined, disagreements: [] });
    });

    it('stores nothing for an end that is gone: its user was erased during the analysis', async () => {
      const [first, second] = [await anEnd(), await anEnd()];
      const ofBob = await anEnd({ userId: 'bob' });
      for (const score of [first, ofBob]) await store.apply(score, 'unscored');
      await setup.erase('alice');
      expect(await store.apply({ ...first, fingerprint: 'edited' }, 'changed')).toBeUndefined();
      expect(await store.apply(second, 'unscored')).toBeUndefined();
      expect(await store.markDegraded(second)).toBeUndefined();
      expect([(await store.find('alice')).version, await historyOf('alice')]).toEqual([0, []]);
      expect((await store.find('bob')).score).toBe(ofBob.worth);
      expect(await store.compare(undefined, 10)).toEqual({ checked: 1, lastUserId: undefined, disagreements: [] });
    });

    it.each([1, 2, 3])('leaves nothing of a user that is erased while its ends are scored (round %i)', async () => {
      const scores = await Promise.all(Array.from({ length: 8 }, () => anEnd()));
      const marked = await anEnd();
      const writing = scores.map((score) => store.apply(score, 'unscored'));
      await Promise.all([...writing.slice(0, 1), setup.erase('alice'), ...writing, store.markDegraded(marked)]);
      expect([(await store.find('alice')).version, await historyOf('alice')]).toEqual([0, []]);
    });

    it.each([11, 12])('keeps score, topics and history equal while workers race (seed %i)', async (seed) => {
      const random = seededRandom(seed);
      const ends = (await Promise.all(Array.from({ length: 6 }, () => anEnd()))).map(({ endId }) => endId);
      for (let round = 0; round < 8; round += 1) {
        const scores = Array.from({ length: 6 }, (_, i) =>
          aRandomEndScore(random, { endId: pick(random, ends), fingerprint: `${round}.${i}` }),
        );
        await Promise.all(
          scores.map((score) => (random() < 0.2 ? store.markDegraded(score) : store.apply(score, random() < 0.5 ? 'unscored' : 'changed'))),
        );
      }
      const [status, history] = [await store.find('alice'), await historyOf('alice')];
      const sum = history.reduce((total, { scoreChange }) => total + scoreChange, 0);
      expect([status.score, sumOfTopics(status)]).toEqual([sum, sum]);
      expect(await store.compare(undefined, 10)).toMatchObject({ disagreements: [] });
    });
  });
}
