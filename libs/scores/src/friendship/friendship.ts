import type { EndedConversationId, UserId } from '#lib/contracts/ids';
import { type Emotion, Topic, type TopicMetrics } from '#lib/contracts/scores';
import { splitOverTopics, type TopicPoints, topicsThatCount } from './score-change.js';

/** How well a user is known. `score` is the sum of its history and of its topics, always, and never below 0. */
export interface FriendshipStatus {
  readonly userId: UserId;
  readonly score: number;
  readonly topicMetrics: TopicMetrics;
  /** Ends whose last analysis failed: their part of the score is still to come. The newest {@link MAX_DEGRADED_ENDS}. */
  readonly degradedEnds: readonly string[];
  /** Rises with each change; 0: there was none yet. */
  readonly version: number;
  readonly updatedAt: Date | undefined;
}

/** Ends that a status names as degraded: a row of 16 KB. Older ones are scored at night all the same. */
export const MAX_DEGRADED_ENDS = 1_000;

/** The status of a user of whom nothing is stored. */
export const newFriendship = (userId: UserId): FriendshipStatus => ({
  userId,
  score: 0,
  topicMetrics: {},
  degradedEnds: [],
  version: 0,
  updatedAt: undefined,
});

/** The score of one end of a conversation, before it is applied. */
export interface EndScore {
  readonly endId: string;
  readonly conversationId: EndedConversationId;
  readonly userId: UserId;
  readonly endedAt: Date;
  readonly scoringVersion: number;
  /** What the conversation is worth in all. */
  readonly worth: number;
  /** Its topics, the main one first. */
  readonly topics: readonly Topic[];
  readonly analysis: StoredAnalysis;
  readonly provenance: StoredProvenance;
  /** Of the transcript that was analysed. */
  readonly fingerprint: string;
  /** What `worth` is made of, in words. */
  readonly reasons: readonly string[];
}

/** What the analysis found. */
export interface StoredAnalysis {
  readonly userTurns: number;
  readonly userQuestions: number;
  readonly emotion: Emotion;
  readonly memories: number;
}

/** Which model found it. */
export interface StoredProvenance {
  readonly provider: string;
  readonly model: string;
  readonly promptVersion: number;
}

/** One line of a user's history: what an end changed. */
export interface AppliedChange extends EndScore {
  /** 1 for the first score of this end under its scoring version. */
  readonly revision: number;
  /** By how much the score changed. Less than what was computed when the score would have fallen below 0. */
  readonly scoreChange: number;
  /** The parts of `scoreChange`. */
  readonly topicChanges: TopicPoints;
  readonly scoreAfter: number;
  readonly isDegradedAfter: boolean;
  /** The version of the status that it made. */
  readonly statusVersion: number;
  readonly appliedAt: Date;
}

/** What a score of an end does to a status. */
export interface Application {
  readonly status: Omit<FriendshipStatus, 'updatedAt'>;
  readonly scoreChange: number;
  readonly topicChanges: TopicPoints;
}

/**
 * Makes an end's part of the score what it is worth now: what it had before is taken back in the same step. The score stops at 0.
 * @param before what this end changed so far, under whatever scoring version, oldest first; none for its first score.
 */
export const applyScore = (
  status: FriendshipStatus,
  score: EndScore,
  before: readonly Pick<AppliedChange, 'scoreChange' | 'topicChanges' | 'topics'>[],
): Application => {
  const had = before.reduce((sum, { scoreChange }) => sum + scoreChange, 0);
  const scoreChange = Math.max(score.worth - had, -status.score);
  const has = splitOverTopics(had + scoreChange, score.topics);
  const hadByTopic = sumByTopic(before.map(({ topicChanges }) => topicChanges));
  const last = before.at(-1);
  const named = last === undefined ? [] : topicsThatCount(last.topics);
  const touched = Topic.options.filter((topic) => topic in has || topic in hadByTopic);
  const topicChanges = Object.fromEntries(touched.map((topic) => [topic, (has[topic] ?? 0) - (hadByTopic[topic] ?? 0)]));
  const metrics = { ...status.topicMetrics };
  for (const topic of touched) {
    const { conversations, score: points, lastAt } = metrics[topic] ?? { conversations: 0, score: 0, lastAt: undefined };
    const count = Math.max(0, conversations + Number(topic in has) - Number(named.includes(topic)));
    const next = { conversations: count, score: points + (topicChanges[topic] ?? 0), lastAt: latest(lastAt, score.endedAt) };
    if (next.conversations === 0 && next.score === 0) delete metrics[topic];
    else metrics[topic] = next;
  }
  return {
    status: {
      userId: status.userId,
      score: status.score + scoreChange,
      topicMetrics: metrics,
      degradedEnds: status.degradedEnds.filter((endId) => endId !== score.endId),
      version: status.version + 1,
    },
    scoreChange,
    topicChanges,
  };
};

/** The status with an end whose analysis failed; the same status when it says so already. */
export const markedDegraded = (status: FriendshipStatus, endId: string): FriendshipStatus =>
  status.degradedEnds.includes(endId)
    ? status
    : { ...status, degradedEnds: [...status.degradedEnds, endId].slice(-MAX_DEGRADED_ENDS), version: status.version + 1 };

/** What the score of a status must be (R088). */
export const sumOfTopics = ({ topicMetrics }: Pick<FriendshipStatus, 'topicMetrics'>): number =>
  Object.values(topicMetrics).reduce((sum, { score }) => sum + score, 0);

const sumByTopic = (all: readonly TopicPoints[]): TopicPoints => {
  const sums: Partial<Record<Topic, number>> = {};
  for (const points of all) for (const topic of topicsOf(points)) sums[topic] = (sums[topic] ?? 0) + (points[topic] ?? 0);
  return sums;
};

const topicsOf = (points: TopicPoints): readonly Topic[] => Topic.options.filter((topic) => topic in points);

const latest = (one: string | undefined, other: Date): string =>
  one !== undefined && Date.parse(one) > other.getTime() ? one : other.toISOString();
