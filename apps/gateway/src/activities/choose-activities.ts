import { type ActivityLanguage, type FixedActivity, MAX_BACKUPS, MAX_CANDIDATES, type SuggestionView } from '#lib/contracts/activities';
import type { UserId } from '#lib/contracts/ids';
import type { Level, Topic, TopicMetrics } from '#lib/contracts/scores';
import type { Catalogue, Pairing, Role } from './catalogue.js';
import { hashOf, mixed } from './chance.js';
import { reasonFor } from './reasons.js';
import { interestsIn } from './topic-interest.js';

/** What is known of the user. */
export interface KnownUser {
  readonly userId: UserId;
  readonly level: Level;
  readonly topicMetrics: TopicMetrics;
}

/** A topic that a user likes best weighs three times as much as one that never came up (ADR 34). */
const OF_INTEREST = 2;
/** Chance makes a weight up to a quarter smaller or larger, so that days differ and likes still show. */
const OF_CHANCE = 0.25;
/** What is left of a weight for each pick before it of the same topic, and of the same type. */
const SAME_TOPIC = 0.5;
const SAME_TYPE = 0.7;

/** A suggestion, without what its caller knows already. */
type ChosenActivities = Omit<SuggestionView, 'userId' | 'level' | 'degraded'>;

/** Chooses activities for a user on the day of `at` (UTC): the same for the same input, on every process. Linear in the size of the catalogue. */
export const chooseActivities = (catalogue: Catalogue, user: KnownUser, language: ActivityLanguage, at: Date): ChosenActivities => {
  const { userId, level, topicMetrics } = user;
  const chance = hashOf(`${userId} ${at.toISOString().slice(0, 10)}`);
  const interests = interestsIn(topicMetrics, at);
  const choose = (role: Role, count: number) => picked(catalogue.pairingsOf(role, level), count, interests, chance);
  const fixed = ({ pairing }: Pick): FixedActivity => ({
    agentId: pairing.agent.id,
    type: pairing.agent.type,
    topic: pairing.topic,
    guide: catalogue.text('guide', pairing.agent.guide, language, chance),
    opener: catalogue.opener(pairing, language, chance),
  });
  const only = (role: Role): FixedActivity | null => choose(role, 1).map(fixed)[0] ?? null;

  const candidates = choose('candidate', MAX_CANDIDATES).toSorted((one, other) => other.weight - one.weight);
  const shares = sharesOf(candidates.map(({ weight }) => weight));
  return {
    greeting: catalogue.text('greeting', level, language, chance),
    persona: catalogue.text('persona', level, language, chance),
    candidates: candidates.map((candidate, i) => ({
      ...fixed(candidate),
      reason: reasonFor(candidate.pairing.topic, topicMetrics, language, at),
      weight: shares[i] ?? 0,
    })),
    review: only('review'),
    wrapUp: only('wrap_up'),
    backups: choose('backup', MAX_BACKUPS).map(fixed),
  };
};

interface Pick {
  readonly pairing: Pairing;
  readonly weight: number;
}

/**
 * Picks the heaviest pairing again and again, each agent once; a pick makes others of its topic and of its type lighter. The last one of several
 * is a topic that never came up, when the others all did: suggestions that only repeat what is known run dry.
 */
const picked = (pairings: readonly Pairing[], count: number, interests: ReadonlyMap<Topic, number>, chance: number): Pick[] => {
  const weights = pairings.map(({ agent, topic, hash }) => {
    const factor = 1 + OF_CHANCE * ((2 * mixed(chance, hash)) / 0xffff_ffff - 1);
    return agent.weight * (1 + OF_INTEREST * (interests.get(topic) ?? 0)) * factor;
  });
  const isNew = ({ topic }: Pairing) => !interests.has(topic);
  const picks: Pick[] = [];
  while (picks.length < count) {
    const wantsNew = count > 1 && picks.length === count - 1 && !picks.some(({ pairing }) => isNew(pairing));
    const pick = (wantsNew ? heaviest(pairings, weights, isNew) : undefined) ?? heaviest(pairings, weights, () => true);
    if (pick === undefined) break;
    picks.push(pick);
    lighten(pairings, weights, pick.pairing);
  }
  return picks;
};

// Plain loops: with the largest catalogue these see 8,000 pairings, five times for each request.
const heaviest = (pairings: readonly Pairing[], weights: readonly number[], isWanted: (pairing: Pairing) => boolean): Pick | undefined => {
  let best: Pick | undefined;
  for (let i = 0; i < pairings.length; i += 1) {
    const pairing = pairings[i];
    const weight = weights[i] ?? 0;
    if (pairing !== undefined && weight > (best?.weight ?? 0) && isWanted(pairing)) best = { pairing, weight };
  }
  return best;
};

const lighten = (pairings: readonly Pairing[], weights: number[], { agent, topic }: Pairing): void => {
  for (let i = 0; i < pairings.length; i += 1) {
    const other = pairings[i];
    if (other === undefined) continue;
    const ofAgent = other.agent === agent ? 0 : 1;
    weights[i] = (weights[i] ?? 0) * ofAgent * (other.topic === topic ? SAME_TOPIC : 1) * (other.agent.type === agent.type ? SAME_TYPE : 1);
  }
};

/** Weights as shares of 1 in thousandths; the first takes what rounding leaves. */
const sharesOf = (weights: readonly number[]): number[] => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const thousandths = weights.map((weight) => Math.round((1_000 * weight) / total));
  const [first = 0, ...others] = thousandths;
  const rest = 1_000 - first - others.reduce((sum, share) => sum + share, 0);
  return weights.length === 0 ? [] : [first + rest, ...others].map((share) => share / 1_000);
};
