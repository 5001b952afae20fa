import { describe, expect, it } from 'vitest';
import { newEvent, type ScoreRecalculate } from '#lib/contracts/events';
import { sumOfTopics } from '#lib/scores/friendship/friendship';
import type { FriendshipStorePort } from '#lib/scores/friendship/friendship-store.port';
import { DependencyError } from '#lib/resilience/call/errors';
import { pick, seededRandom } from '#lib/testing/random';
import { type ScoreStores, scoredWorld } from './scored-world.contract.js';

/** Dies: before a call of the store, or after its commit and before its answer. */
class Crash extends Error {}

/** The same store in a process that dies when the test says so. */
const crashing = (store: FriendshipStorePort, random: () => number, chance: () => number): FriendshipStorePort =>
  new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]): Promise<unknown> => {
        if (random() < chance()) throw new Crash();
        const answer: unknown = await Reflect.apply(value, target, args);
        if (random() < chance()) throw new Crash();
        return answer;
      };
    },
  });

/**
 * The property that scores stand on, for a store of scores: one event, delivered any number of times in any interleaving with edits, recalculations,
 * outages and crashes, changes a score once. `EXACTLY_ONCE_SEED` repeats a run that failed.
 */
export function exactlyOnceContract(name: string, make: () => Promise<ScoreStores>, seeds: readonly number[]): void {
  describe(`scoring over ${name}`, () => {
    it.each(seeds)('counts each conversation once, whatever comes how often in which order (EXACTLY_ONCE_SEED=%i)', async (seed) => {
      const random = seededRandom(seed);
      let crashes = 0.15;
      const { ends: endStore, friendship: store } = await make();
      const world = scoredWorld({ ends: endStore, friendship: crashing(store, random, () => crashes) });
      const users = ['alice', 'bob'];
      const ends = await Promise.all(Array.from({ length: 6 }, (_, i) => world.ended(users[i % 2])));
      const recalculateOf = ({ id: endId, conversationId, userId }: (typeof ends)[number]): ScoreRecalculate =>
        newEvent('score.recalculate', { conversationId, userId, endId, reason: 'operator' });
      const out = new DependencyError('llm', 'chat', 'unavailable');
      /** A redelivery of something about some end; what fails comes again later, or never. */
      const anything = async (): Promise<void> => {
        const end = pick(random, ends);
        const what = random();
        try {
          if (what < 0.15) world.transcripts.edit(end.id);
          else if (what < 0.25) world.model.failure = random() < 0.5 ? out : undefined;
          else if (what < 0.55) await world.scoring.handle(world.endedEvent(end));
          else if (what < 0.75) await world.scoring.handle(await world.asked(end));
          else await world.rescoring.handle(recalculateOf(end));
        } catch (error) {
          if (!(error instanceof Crash || error instanceof DependencyError)) throw error;
        }
      };
      for (let round = 0; round < 20; round += 1) await Promise.all(Array.from({ length: 6 }, anything));

      // In the end all dependencies are there, and each event is delivered as often as it takes.
      [crashes, world.model.failure] = [0, undefined];
      for (const end of ends) await world.scoring.handle(world.endedEvent(end));
      const settled = await Promise.all(
        ends.flatMap((end) => [recalculateOf(end), recalculateOf(end)]).map((e) => world.rescoring.handle(e)),
      );
      expect(settled.flat().every(({ type }) => type === 'score.updated')).toBe(true);

      for (const userId of users) {
        const [status, history] = [await store.find(userId), await store.history(userId, { before: undefined, limit: 1_000 })];
        const sum = history.reduce((total, { scoreChange }) => total + scoreChange, 0);
        expect([status.score, sumOfTopics(status), status.degradedEnds]).toEqual([sum, sum, []]);
        const own = ends.filter((end) => end.userId === userId);
        // Each end counts for what its last transcript is worth: 4 turns, one more with each edit, 2 questions, and a mood of as many points.
        for (const { id } of own) {
          const of = history.filter(({ endId }) => endId === id);
          const edits = world.transcripts.edits.get(id) ?? 0;
          const worth = Math.min(20, 4 + edits) + 4 + Math.min(10, 4 + edits);
          expect(of.reduce((total, { scoreChange }) => total + scoreChange, 0)).toBe(worth);
          expect(new Set(of.map(({ fingerprint }) => fingerprint)).size).toBe(of.length);
          expect(of.map(({ revision }) => revision).toSorted((a, b) => a - b)).toEqual(of.map((_, i) => i + 1));
        }
        expect(Object.values(status.topicMetrics).map(({ conversations }) => conversations)).toEqual([own.length]);
      }
      expect((await store.compare(undefined, 10)).disagreements).toEqual([]);
    });
  });
}

/** Those that always run, and one that nothing has seen yet. */
export const seedsOfRun = (count: number): readonly number[] => {
  // oxlint-disable-next-line node/no-process-env -- how a run that failed is repeated; no setting of Parley
  const wanted = process.env['EXACTLY_ONCE_SEED'];
  if (wanted !== undefined) return [Number(wanted)];
  return [...Array.from({ length: count }, (_, i) => i + 1), Math.trunc(Math.random() * 1_000_000)];
};
