import { describe, expect, it } from 'vitest';
import { MAX_BACKUPS, MAX_CANDIDATES } from '#lib/contracts/activities';
import { Level, Topic, type TopicMetrics } from '#lib/contracts/scores';
import { cpuMsOf } from '#lib/testing/cpu-time';
import { Agent, Catalogue, PromptTemplate } from './catalogue.js';
import { builtInCatalogue } from './built-in-catalogue.js';
import { chooseActivities, type KnownUser } from './choose-activities.js';

const TODAY = new Date('2026-01-31T09:30:00Z');
const daysAgo = (days: number) => new Date(TODAY.getTime() - days * 86_400_000).toISOString();
const daysFromNow = (days: number) => new Date(TODAY.getTime() + days * 86_400_000);

const anAgent = (differences: Partial<Agent> & { id: string }): Agent => ({
  type: 'talk',
  category: 'any',
  guide: 'ask',
  weight: 1,
  levels: [...Level.options],
  isBackup: false,
  ...differences,
});
const template = (differences: Partial<PromptTemplate>): PromptTemplate => {
  const { kind = 'guide', key = 'ask', topic = null, language = 'en', text = 'a text' } = differences;
  return { id: `${kind}-${key}-${topic}-${language}-${text}`, kind, key, topic, language, text };
};
const about = (...topics: Topic[]) => topics.map((topic) => template({ kind: 'topic', key: 'any', topic, text: `about ${topic}` }));
const catalogue = (agents: readonly Agent[], templates: readonly PromptTemplate[] = about(...Topic.options)) =>
  new Catalogue('1', { agents, templates });
const user = (differences: Partial<KnownUser> = {}): KnownUser => ({
  userId: 'alice',
  level: 'acquaintance',
  topicMetrics: {},
  ...differences,
});
const choose = (from: Catalogue, who = user(), at = TODAY) => chooseActivities(from, who, 'en', at);
const tenTypes = Array.from({ length: 10 }, (_, i) =>
  anAgent({ id: `agent-${i}`, type: (['talk', 'story', 'game', 'quiz', 'exercise'] as const)[i % 5] ?? 'talk' }),
);
const musicLover: TopicMetrics = {
  music: { conversations: 8, score: 90, lastAt: daysAgo(1) },
  food: { conversations: 1, score: 10, lastAt: daysAgo(60) },
};

describe('chosen activities', () => {
  it('are the same for the same user on the same day, in whatever order the catalogue was read', () => {
    const morning = choose(catalogue(tenTypes), user({ topicMetrics: musicLover }));
    const evening = choose(catalogue(tenTypes.toReversed()), user({ topicMetrics: musicLover }), new Date('2026-01-31T09:31:00Z'));
    expect(evening.candidates.map(({ agentId, topic }) => [agentId, topic])).toEqual(
      morning.candidates.map(({ agentId, topic }) => [agentId, topic]),
    );
  });

  it('differ from day to day, and from user to user', () => {
    const seen = (who: KnownUser, at: Date) => JSON.stringify(choose(catalogue(tenTypes), who, at).candidates);
    expect(new Set(Array.from({ length: 20 }, (_, day) => seen(user(), daysFromNow(day)))).size).toBeGreaterThan(10);
    expect(new Set(Array.from({ length: 20 }, (_, i) => seen(user({ userId: `user-${i}` }), TODAY))).size).toBeGreaterThan(10);
  });

  it('begin with the topic that a user likes best, whatever the day', () => {
    for (let day = 0; day < 50; day += 1) {
      const at = daysFromNow(day / 100);
      const { candidates } = choose(catalogue(tenTypes), user({ userId: `user-${day}`, topicMetrics: musicLover }), at);
      expect(candidates[0]?.topic).toBe('music');
    }
  });

  it('come to the same share for topics of equal interest over many users', () => {
    const firsts = Array.from({ length: 2_000 }, (_, i) => choose(catalogue(tenTypes), user({ userId: `user-${i}` })).candidates[0]?.topic);
    const counts = Topic.options.map((topic) => firsts.filter((first) => first === topic).length);
    expect(Math.min(...counts)).toBeGreaterThan(2_000 / Topic.options.length / 2);
  });

  it('are each of another agent, at most five, heaviest first, and their weights add up to 1', () => {
    const { candidates } = choose(catalogue(tenTypes), user({ topicMetrics: musicLover }));
    expect(candidates).toHaveLength(MAX_CANDIDATES);
    expect(new Set(candidates.map(({ agentId }) => agentId)).size).toBe(MAX_CANDIDATES);
    expect(candidates.map(({ weight }) => weight)).toEqual(candidates.map(({ weight }) => weight).toSorted((a, b) => b - a));
    expect(Math.round(1_000 * candidates.reduce((sum, { weight }) => sum + weight, 0))).toBe(1_000);
  });

  it('are of several types and topics although one of each is liked best', () => {
    const agents = [
      ...Array.from({ length: 5 }, (_, i) => anAgent({ id: `talk-${i}`, weight: 1.3 })),
      anAgent({ id: 'game', type: 'game' }),
    ];
    const { candidates } = choose(catalogue(agents), user({ topicMetrics: musicLover }));
    expect(candidates.map(({ type }) => type)).toContain('game');
    expect(new Set(candidates.map(({ topic }) => topic)).size).toBeGreaterThan(1);
  });

  it('end with a topic that never came up when all others did', () => {
    const all: TopicMetrics = Object.fromEntries(
      Topic.options.filter((topic) => topic !== 'travel').map((topic) => [topic, { conversations: 20, score: 50, lastAt: daysAgo(0) }]),
    );
    for (let i = 0; i < 20; i += 1) {
      const { candidates } = choose(catalogue(tenTypes), user({ userId: `user-${i}`, topicMetrics: all }));
      expect(candidates.find(({ topic }) => topic === 'travel')?.reason).toBe('You have not talked about travel yet.');
    }
  });

  it('have only agents that are there for the level', () => {
    const agents = [
      anAgent({ id: 'for-strangers', levels: ['stranger'] }),
      anAgent({ id: 'for-others', levels: ['acquaintance', 'friend'] }),
    ];
    const of = (level: Level) => choose(catalogue(agents), user({ level })).candidates.map(({ agentId }) => agentId);
    expect(Level.options.map(of)).toEqual([['for-strangers'], ['for-others'], ['for-others']]);
  });

  it('keep review, wrap-up and backups apart from the candidates', () => {
    const agents = [
      anAgent({ id: 'look-back', type: 'review' }),
      anAgent({ id: 'good-bye', type: 'wrap_up', category: 'without-topics' }),
      ...Array.from({ length: 5 }, (_, i) => anAgent({ id: `backup-${i}`, isBackup: true })),
      anAgent({ id: 'chat' }),
    ];
    const { candidates, review, wrapUp, backups } = choose(catalogue(agents));
    expect(candidates.map(({ agentId }) => agentId)).toEqual(['chat']);
    expect(review).toMatchObject({ agentId: 'look-back', type: 'review' });
    expect(wrapUp).toEqual({ agentId: 'good-bye', type: 'wrap_up', topic: 'other', guide: null, opener: null });
    expect(backups).toHaveLength(MAX_BACKUPS);
    expect(backups.every(({ agentId }) => agentId.startsWith('backup-'))).toBe(true);
  });

  it('are told in the language that is asked for, and in English where that has no text', () => {
    const templates = [
      template({ text: 'Ask.' }),
      template({ language: 'vi', text: 'Hỏi.' }),
      template({ kind: 'topic', key: 'any', topic: 'food', text: 'Tasty?' }),
      template({ kind: 'greeting', key: 'acquaintance', text: 'Hello!' }),
      template({ kind: 'persona', key: 'acquaintance', language: 'vi', text: 'Vui vẻ.' }),
    ];
    const chosen = chooseActivities(catalogue([anAgent({ id: 'chat' })], templates), user(), 'vi', TODAY);
    expect(chosen).toMatchObject({
      greeting: 'Hello!',
      persona: 'Vui vẻ.',
      candidates: [{ guide: 'Hỏi.', opener: 'Tasty?', reason: 'Một chủ đề để làm quen: món ăn.', weight: 1 }],
    });
  });

  it('are nothing of an empty catalogue', () => {
    expect(choose(catalogue([], []))).toEqual({ greeting: null, persona: null, candidates: [], review: null, wrapUp: null, backups: [] });
  });

  it.each([
    [{ conversations: 1, score: 5, lastAt: daysAgo(0) }, 'You talked about music in one conversation, within the last day.'],
    [{ conversations: 4, score: 5, lastAt: daysAgo(1.5) }, 'You talked about music in 4 conversations, the last of them a day ago.'],
    [{ conversations: 4, score: -5, lastAt: daysAgo(9) }, 'You talked about music in 4 conversations, the last of them 9 days ago.'],
    [{ conversations: 1, score: 0, lastAt: daysAgo(-2) }, 'You talked about music in one conversation, within the last day.'],
  ])('say why, of %j', (music, reason) => {
    const { candidates } = choose(catalogue([anAgent({ id: 'chat' })], about('music')), user({ topicMetrics: { music } }));
    expect(candidates.map((candidate) => candidate.reason)).toEqual([reason]);
  });

  it('of what every process has built in serve each level', () => {
    for (const level of Level.options) {
      const { greeting, persona, candidates, review, wrapUp, backups } = choose(builtInCatalogue, user({ level }));
      expect([greeting, persona, review, wrapUp]).not.toContain(null);
      expect([candidates.length, backups.length]).toEqual([3, 1]);
      expect([...candidates, ...backups].flatMap(({ guide, opener }) => [guide, opener])).not.toContain(null);
    }
  });

  it('of the largest catalogue take milliseconds', async () => {
    const agents = Array.from({ length: 500 }, (_, i) => anAgent({ id: `agent-${i}` }));
    const largest = catalogue(agents);
    choose(largest);
    const tenChoices = () => {
      for (let i = 0; i < 10; i += 1) choose(largest, user({ userId: `user-${i}`, topicMetrics: musicLover }));
    };
    expect((await cpuMsOf(tenChoices)) / 10).toBeLessThan(20);
  });
});
