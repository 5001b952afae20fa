import { z } from 'zod';
import { UserId } from './ids.js';
import { Level, Topic } from './scores.js';

/** Languages that the texts of activities are written in. */
export const ActivityLanguage = z.enum(['en', 'vi']);
export type ActivityLanguage = z.infer<typeof ActivityLanguage>;

/** What a user does with an agent. `review` looks back before the activities of a day, `wrap_up` ends them. */
export const ActivityType = z.enum(['talk', 'story', 'game', 'quiz', 'exercise', 'review', 'wrap_up']);
export type ActivityType = z.infer<typeof ActivityType>;

/** Name of an agent in the catalogue: words of small letters and digits with hyphens between them. */
export const AgentId = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be words of a-z 0-9 with hyphens between them')
  .meta({ description: 'Name of an agent in the catalogue', examples: ['song-swap'] });
export type AgentId = z.infer<typeof AgentId>;

/** Most candidates and backups of one answer. */
export const MAX_CANDIDATES = 5;
export const MAX_BACKUPS = 3;

/** `POST /v1/activities/suggest`. */
export const SuggestionRequest = z
  .strictObject({
    userId: UserId.meta({ description: 'Whom to suggest for: yourself, unless your token has the scope service', examples: ['alice'] }),
    language: ActivityLanguage.default('en').meta({ description: 'Language of greeting, reasons and guides' }),
  })
  .meta({ id: 'SuggestionRequest' });
export type SuggestionRequest = z.infer<typeof SuggestionRequest>;

const inItsWords = {
  guide: z
    .string()
    .nullable()
    .meta({
      description: 'How the agent goes about it: a part of its prompt; null: the catalogue has none',
      examples: ['Take turns: two or three sentences from you, then the user goes on.'],
    }),
  opener: z
    .string()
    .nullable()
    .meta({
      description: 'A first line about the topic; null: the catalogue has none',
      examples: ['Which song is in your head right now?'],
    }),
};

/** An activity that fits the user. */
export const ActivityCandidate = z
  .object({
    agentId: AgentId,
    type: ActivityType,
    topic: Topic,
    reason: z.string().meta({
      description: 'Why it is suggested, for people',
      examples: ['You talked about music in 4 conversations, the last of them 2 days ago.'],
    }),
    weight: z
      .number()
      .min(0)
      .max(1)
      .meta({
        description: 'Its share among the candidates, which add up to 1: a client that draws one at random draws by it',
        examples: [0.41],
      }),
    ...inItsWords,
  })
  .meta({ id: 'ActivityCandidate' });
export type ActivityCandidate = z.infer<typeof ActivityCandidate>;

/** An agent with a fixed place in the day: it needs neither reason nor weight. */
export const FixedActivity = z.object({ agentId: AgentId, type: ActivityType, topic: Topic, ...inItsWords }).meta({ id: 'FixedActivity' });
export type FixedActivity = z.infer<typeof FixedActivity>;

/** Answer of `POST /v1/activities/suggest`. */
export const SuggestionView = z
  .object({
    userId: UserId,
    level: Level,
    greeting: z
      .string()
      .nullable()
      .meta({ description: 'What to open with; null: the catalogue has none', examples: ['Hi again! Shall we go on where we stopped?'] }),
    persona: z
      .string()
      .nullable()
      .meta({
        description: 'How agents behave towards users of this level: a part of their prompt; null: the catalogue has none',
        examples: ['You know the user a little: relaxed and warm.'],
      }),
    candidates: z.array(ActivityCandidate).max(MAX_CANDIDATES).meta({ description: 'Heaviest first' }),
    review: FixedActivity.nullable().meta({ description: 'What to begin the day with; null: the catalogue has no such agent' }),
    wrapUp: FixedActivity.nullable().meta({ description: 'What to end the day with; null: the catalogue has no such agent' }),
    backups: z.array(FixedActivity).max(MAX_BACKUPS).meta({ description: 'What to offer when no candidate is wanted or works' }),
    degraded: z.boolean().meta({ description: 'Postgres could not be asked: this is what a new user gets' }),
  })
  .meta({ id: 'Suggestion' });
export type SuggestionView = z.infer<typeof SuggestionView>;
