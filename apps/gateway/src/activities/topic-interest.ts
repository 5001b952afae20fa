import type { Topic, TopicMetrics } from '#lib/contracts/scores';

/** Share, recency and frequency make up the interest in a topic (ADR 34). */
const OF_SHARE = 0.5;
const OF_RECENCY = 0.3;
const OF_FREQUENCY = 0.2;
/** After so many days a topic counts half as recent. */
const HALVED_AFTER_DAYS = 7;
/** From so many conversations on a topic is frequent: more do not make it more so. */
const FREQUENT = 10;
const DAY_MS = 86_400_000;

/** How much a user likes each topic that came up, from 0 to 1, at an instant. Topics that never came up are left out. */
export const interestsIn = (metrics: TopicMetrics, at: Date): ReadonlyMap<Topic, number> => {
  const known = (Object.keys(metrics) as Topic[]).filter((topic) => (metrics[topic]?.conversations ?? 0) > 0);
  const total = known.reduce((sum, topic) => sum + positive(metrics[topic]?.score), 0);
  return new Map(
    known.map((topic) => {
      const { score = 0, conversations = 0, lastAt = '' } = metrics[topic] ?? {};
      const share = total === 0 ? 0 : positive(score) / total;
      const recency = 0.5 ** (daysSince(lastAt, at) / HALVED_AFTER_DAYS);
      const frequency = Math.min(1, conversations / FREQUENT);
      return [topic, OF_SHARE * share + OF_RECENCY * recency + OF_FREQUENCY * frequency];
    }),
  );
};

/** Days from an instant in the past until `at`; 0 for one in the future: clocks differ. */
export const daysSince = (lastAt: string, at: Date): number => Math.max(0, at.getTime() - Date.parse(lastAt)) / DAY_MS;

// Conversations that went badly take points away: such a topic is not liked, and not less than not at all.
const positive = (score = 0): number => Math.max(0, score);
