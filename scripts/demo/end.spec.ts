import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { describeEnd } from './describe-end.js';
import { isScored, type PlayedEnd } from './end.js';

const at = '2026-11-22T00:00:00.000Z';
const conversationId = '0197c000-0000-7000-8000-000000000001';
const end: PlayedEnd = {
  user: 'linh',
  eventId: '0197c000-0000-7000-8000-000000000002',
  ackMs: 12.3,
  before: { userId: 'linh', score: 90, level: 'stranger', topicMetrics: {}, version: 4, updatedAt: at, degraded: false },
  frame: {
    type: 'score.updated',
    userId: 'linh',
    conversationId,
    scoreChange: 20,
    score: 110,
    level: 'acquaintance',
    degraded: false,
    version: 5,
    updatedAt: at,
  },
  scoredMs: 118,
  change: {
    conversationId,
    endId: '0197c000-0000-7000-8000-000000000003',
    revision: 1,
    scoringVersion: 1,
    scoreChange: 20,
    score: 110,
    level: 'acquaintance',
    version: 5,
    topics: { food: 20 },
    userQuestions: 2,
    emotion: 'happy',
    reasons: ['+8: 8 turns of the user'],
    analysedBy: { provider: 'local', model: 'rules', promptVersion: 1 },
    endedAt: at,
    updatedAt: at,
  },
  suggestion: {
    userId: 'linh',
    level: 'acquaintance',
    greeting: 'Hi again!',
    persona: null,
    candidates: [{ agentId: 'song-swap', type: 'talk', topic: 'music', reason: 'You like music.', weight: 1, guide: null, opener: null }],
    review: null,
    wrapUp: null,
    backups: [],
    degraded: false,
  },
};
const shown = (of: PlayedEnd) => stripVTControlCharacters(describeEnd(of).join('\n'));

it('the end of a conversation shows score, level, reasons and what to do next', () => {
  const text = shown(end);
  expect(text).toContain('linh +20, 90 → 110, stranger, now acquaintance');
  expect(text).toContain('  +8: 8 turns of the user');
  expect(text).toContain('for an acquaintance: "Hi again!"');
  expect(text).toContain('100 %  song-swap about music');
  expect(isScored(end)).toBe(true);
});

it.each<[string, Partial<PlayedEnd>, string]>([
  ['no frame', { frame: null, scoredMs: null }, 'no score.updated came over the socket'],
  ['no line in the history', { change: null }, 'has no line for this conversation'],
  ['a failed analysis', { frame: end.frame && { ...end.frame, degraded: true } }, 'degraded: it is calculated again later'],
])('says honestly that it is not scored: %s', (_, missing, says) => {
  expect(shown({ ...end, ...missing })).toContain(says);
  expect(isScored({ ...end, ...missing })).toBe(false);
});
