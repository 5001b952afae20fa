import { z } from 'zod';
import { ActivityLanguage, ActivityType, AgentId } from '#lib/contracts/activities';
import { Level, Topic } from '#lib/contracts/scores';
import { hashOf, mixed } from './chance.js';

/** Who does an activity with users of some levels. */
export const Agent = z.object({
  id: AgentId,
  type: ActivityType,
  /** Key of the templates of kind `topic` that it talks about. */
  category: z.string(),
  /** Key of its templates of kind `guide`. */
  guide: z.string(),
  weight: z.number().positive(),
  levels: z.array(Level),
  /** Offered as a backup only. */
  isBackup: z.boolean(),
});
export type Agent = z.infer<typeof Agent>;

/** A text by its key: of a guide its tag, of persona and greeting the level, of a topic the category of agents. */
export const PromptTemplate = z.object({
  id: z.string(),
  kind: z.enum(['guide', 'persona', 'greeting', 'topic']),
  key: z.string(),
  topic: Topic.nullable(),
  language: ActivityLanguage,
  text: z.string(),
});
export type PromptTemplate = z.infer<typeof PromptTemplate>;

/** What operators have written, without what they have switched off. */
export interface CatalogueRows {
  readonly agents: readonly Agent[];
  readonly templates: readonly PromptTemplate[];
}

/** An agent with a topic that it talks about: what a candidate is made of. `hash` is the same wherever the two meet. */
export interface Pairing {
  readonly agent: Agent;
  readonly topic: Topic;
  readonly hash: number;
}

/** What an agent is there for. */
export type Role = 'candidate' | 'backup' | 'review' | 'wrap_up';

/** What activities are suggested from, arranged once for all requests. */
export class Catalogue {
  private readonly pairings = new Map<string, Pairing[]>();
  private readonly texts = new Map<string, string[]>();
  private readonly openers = new Map<string, string[]>();

  /** @param version of the rows, as the store counts it. */
  constructor(
    readonly version: string,
    { agents, templates }: CatalogueRows,
  ) {
    const topics = new Map<string, Set<Topic>>();
    // In the order of their ids, so that equals are told apart alike on every process.
    for (const { kind, key, topic, language, text } of inOrder(templates)) {
      if (topic === null) put(this.texts, `${kind} ${key} ${language}`, text);
      else {
        put(this.openers, `${key} ${topic} ${language}`, text);
        topics.set(key, (topics.get(key) ?? new Set()).add(topic));
      }
    }
    for (const agent of inOrder(agents)) this.pair(agent, topics.get(agent.category) ?? new Set());
  }

  /** Agents of a role for users of a level, each once with every topic of its category. */
  pairingsOf(role: Role, level: Level): readonly Pairing[] {
    return this.pairings.get(`${role} ${level}`) ?? [];
  }

  /** A text, in English when there is none in this language; of several the one that `chance` names. */
  text(kind: 'guide' | 'persona' | 'greeting', key: string, language: ActivityLanguage, chance: number): string | null {
    const texts = this.texts.get(`${kind} ${key} ${language}`) ?? this.texts.get(`${kind} ${key} en`);
    return oneOf(texts, mixed(chance, hashOf(key)));
  }

  /** A first line about the topic of a pairing, as {@link text}. */
  opener({ agent, topic, hash }: Pairing, language: ActivityLanguage, chance: number): string | null {
    const key = `${agent.category} ${topic}`;
    return oneOf(this.openers.get(`${key} ${language}`) ?? this.openers.get(`${key} en`), mixed(chance, hash));
  }

  private pair(agent: Agent, topics: ReadonlySet<Topic>): void {
    const role = roleOf(agent);
    const isFixed = role === 'review' || role === 'wrap_up';
    // What begins or ends a day needs no topic.
    const paired: Iterable<Topic> = isFixed && topics.size === 0 ? ['other'] : topics;
    for (const topic of paired) {
      const pairing = { agent, topic, hash: hashOf(`${agent.id} ${topic}`) };
      for (const level of agent.levels) put(this.pairings, `${role} ${level}`, pairing);
    }
  }
}

const roleOf = ({ type, isBackup }: Agent): Role => (isBackup ? 'backup' : type === 'review' || type === 'wrap_up' ? type : 'candidate');

const inOrder = <Row extends { readonly id: string }>(rows: readonly Row[]): Row[] =>
  rows.toSorted((one, other) => (one.id < other.id ? -1 : Number(one.id > other.id)));

const put = <T>(lists: Map<string, T[]>, key: string, item: T): void => {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
};

const oneOf = (texts: readonly string[] | undefined, chance: number): string | null =>
  texts === undefined ? null : (texts[chance % texts.length] ?? null);
