import type { Emotion, Topic } from '#lib/contracts/scores';

/** Raise it when the formula or the splitting over topics changes: every end is then due for a new score. */
export const SCORING_VERSION = 1;

/** What an ended conversation was like, as it counts for its score. */
export interface ScoredConversation {
  /** Turns of the user. */
  readonly userTurns: number;
  /** Questions that the user asked. */
  readonly userQuestions: number;
  readonly emotion: Emotion;
  /** New things that are worth to be remembered of the user; 0 without a memory API. */
  readonly memories: number;
}

/** Points for one conversation, and what they are made of, in words. */
export interface ScoreChange {
  readonly change: number;
  readonly reasons: readonly string[];
}

/** Points for one of each, and how many of it count in one conversation. Why so many: docs/concepts/friendship.md. */
const TURN = { points: 1, most: 20 } as const;
const QUESTION = { points: 2, most: 10 } as const;
const MEMORY = { points: 2, most: 5 } as const;

/** Points for the mood of the user. A sad user who talks about it is no lesser friend. */
const EMOTION_POINTS = { happy: 10, interested: 10, neutral: 0, sad: 0, bored: -5, angry: -15 } as const satisfies Record<Emotion, number>;

/** The least and the most that one conversation changes a score by. */
export const MIN_CHANGE = -15;
export const MAX_CHANGE = 50;

/**
 * What a conversation is worth:
 *
 *     turns (1 each, 20 count) + questions (2 each, 10 count) + memories (2 each, 5 count) + emotion (-15 to 10), clamped to -15..50
 *
 * Nothing counts more often than the user took a turn, whatever an analysis says; without a turn of the user it is 0.
 */
export const scoreChangeOf = ({ userTurns, userQuestions, emotion, memories }: ScoredConversation): ScoreChange => {
  if (userTurns <= 0) return { change: 0, reasons: ['the user said nothing'] };
  const turns = Math.min(userTurns, TURN.most);
  const questions = Math.min(userQuestions, userTurns, QUESTION.most);
  const remembered = Math.min(memories, userTurns, MEMORY.most);
  const mood = Math.min(EMOTION_POINTS[emotion], userTurns);
  const parts = [
    { points: turns * TURN.points, text: `${counted(userTurns, 'turn')} of the user` },
    { points: questions * QUESTION.points, text: counted(userQuestions, 'question') },
    { points: mood, text: `emotion ${emotion}` },
    { points: remembered * MEMORY.points, text: counted(memories, 'memory', 'memories') },
  ];
  const sum = parts.reduce((total, { points }) => total + points, 0);
  const change = Math.min(MAX_CHANGE, Math.max(MIN_CHANGE, sum));
  const reasons = parts.filter(({ points }) => points !== 0).map(({ points, text }) => `${signed(points)}: ${text}`);
  return { change, reasons: change === sum ? reasons : [...reasons, `${signed(sum)} is limited to ${signed(change)}`] };
};

/** Shares of the first, second and third topic: an analysis names the main one first. */
const TOPIC_SHARES = [3, 2, 1] as const;

/** Points of each topic. They add up exactly to what was split. */
export type TopicPoints = Readonly<Partial<Record<Topic, number>>>;

/** At most three topics, each once, the main one first; `other` when there is none. */
export const topicsThatCount = (topics: readonly Topic[]): readonly Topic[] => {
  const named = [...new Set(topics)].slice(0, TOPIC_SHARES.length);
  return named.length === 0 ? ['other'] : named;
};

/**
 * Splits points over the topics that count, 3 : 2 : 1, by the method of the largest remainder.
 * @param points a whole number, also below 0.
 */
export const splitOverTopics = (points: number, topics: readonly Topic[]): TopicPoints => {
  const all = topicsThatCount(topics);
  const weights: readonly number[] = all.map((_, i) => TOPIC_SHARES[i] ?? 0);
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  const size = Math.abs(points);
  const floors = weights.map((weight) => Math.floor((size * weight) / whole));
  let left = floors.reduce((rest, floor) => rest - floor, size);
  const byRemainder = weights
    .map((weight, i) => ({ i, remainder: (size * weight) % whole }))
    .sort((one, other) => other.remainder - one.remainder || one.i - other.i);
  for (const { i } of byRemainder) {
    if (left === 0) break;
    floors[i] = (floors[i] ?? 0) + 1;
    left -= 1;
  }
  const sign = points < 0 ? -1 : 1;
  return Object.fromEntries(all.map((topic, i) => [topic, sign * (floors[i] ?? 0) + 0]));
};

const signed = (points: number): string => (points > 0 ? `+${points}` : String(points));
const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
