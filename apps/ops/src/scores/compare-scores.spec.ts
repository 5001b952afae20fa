import { expect, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { MemoryFriendshipStore } from '#lib/scores/friendship/adapters/memory-friendship-store';
import { newFriendship } from '#lib/scores/friendship/friendship';
import { CompareScores } from './compare-scores.js';

const counted = async () => {
  const { values } = await metrics.scoreDisagreements.get();
  return Object.fromEntries(values.map(({ labels, value }) => [labels['part'], value]));
};

it('a score that is not the sum of its topics or its history is counted and logged in each round, and not changed', async () => {
  const lines: string[] = [];
  const store = new MemoryFriendshipStore();
  // More users than one page has; two of them have a score without topics and history, as a bug would leave them.
  for (let i = 0; i < 1_500; i += 1) store.statuses.set(`user-${i}`, { ...newFriendship(`user-${i}`), version: 1 });
  for (const userId of ['user-7', 'user-999']) store.statuses.set(userId, { ...newFriendship(userId), score: 9, version: 1 });
  const compare = new CompareScores(store, createLogger('ops', 'info', { write: (line: string) => void lines.push(line) }));
  await compare.execute();
  await compare.execute();
  expect(await counted()).toEqual({ topics: 2, history: 2 });
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject(
    ['user-7', 'user-999'].map((userId) => ({ code: 'score-disagreement', userId, score: 9, topics: 0, history: 0 })),
  );
  expect((await store.find('user-7')).score).toBe(9);
  store.statuses.clear();
  await compare.execute();
  expect(await counted()).toEqual({ topics: 0, history: 0 });
});
