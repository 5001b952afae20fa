import { newId } from '#lib/contracts/ids';
import { Emotion, Topic } from '#lib/contracts/scores';
import { pick } from '#lib/testing/random';
import type { EndScore } from './friendship.js';
import { MAX_CHANGE, MIN_CHANGE, SCORING_VERSION } from './score-change.js';

/** The score of an end, with plausible values. */
export const anEndScore = (differences: Partial<EndScore>): EndScore => ({
  endId: newId(),
  conversationId: 'chat-1',
  userId: 'alice',
  endedAt: new Date('2026-01-31T09:30:00.000Z'),
  scoringVersion: SCORING_VERSION,
  worth: 18,
  topics: ['music'],
  analysis: { userTurns: 6, userQuestions: 2, emotion: 'happy', memories: 1 },
  provenance: { provider: 'local', model: 'rules', promptVersion: 1 },
  fingerprint: 'a',
  reasons: ['+6: 6 turns of the user'],
  ...differences,
});

/** The same with points and topics that `random` chooses. */
export const aRandomEndScore = (random: () => number, differences: Partial<EndScore> = {}): EndScore => {
  const worth = MIN_CHANGE + Math.floor(random() * (MAX_CHANGE - MIN_CHANGE + 1));
  const topics = Array.from({ length: Math.floor(random() * 4) }, () => pick(random, Topic.options));
  const analysis = { userTurns: Math.floor(random() * 30), userQuestions: 0, emotion: pick(random, Emotion.options), memories: 0 };
  return anEndScore({ worth, topics, analysis, ...differences });
};
