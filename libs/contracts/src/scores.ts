import { z } from 'zod';
import { EndedConversationId, UserId } from './ids.js';
import { humanText } from './text.js';

const time = z.iso.datetime({ offset: true }).meta({ examples: ['2026-01-31T09:30:00.000Z'] });

/** How well a user is known, by score: below 100, below 500, and beyond. */
export const Level = z.enum(['stranger', 'acquaintance', 'friend']).meta({ id: 'Level' });
export type Level = z.infer<typeof Level>;

/** The mood of a conversation's user. `neutral` is also the fallback when it cannot be analysed (ruling C12). */
export const Emotion = z.enum(['happy', 'interested', 'neutral', 'bored', 'sad', 'angry']).meta({ id: 'Emotion' });
export type Emotion = z.infer<typeof Emotion>;

/** What conversations are about: a closed list, so that neither a model nor a log can name others. */
export const Topic = z
  .enum([
    'family',
    'friends',
    'school',
    'work',
    'food',
    'games',
    'sports',
    'movies',
    'music',
    'books',
    'animals',
    'travel',
    'technology',
    'health',
    'feelings',
    'other',
  ])
  .meta({ id: 'Topic' });
export type Topic = z.infer<typeof Topic>;

const FIRST_TIME = Date.parse('0001-01-01T00:00:00Z');
const LAST_TIME = Date.parse('9999-12-31T23:59:59.999Z');

/** A time that a client gives. Its offset may lead out of the years that RFC 3339 can write: no event could carry it. */
const givenTime = time.refine((value) => {
  const at = Date.parse(value);
  return at >= FIRST_TIME && at <= LAST_TIME;
}, 'must be between the years 0001 and 9999 (UTC)');

/** Longest entry of a log in UTF-16 units, and most entries: the body's limit of 10 MB bounds them together. */
const MAX_ENTRY_LENGTH = 131_072;
export const MAX_LOG_ENTRIES = 50_000;

/** One entry of a conversation's log. */
export const LogEntry = z.strictObject({
  role: z.enum(['user', 'bot']),
  content: humanText({ max: MAX_ENTRY_LENGTH }),
  at: givenTime.optional(),
});
export type LogEntry = z.infer<typeof LogEntry>;

/** `POST /v1/conversations/end`. */
export const ConversationEnd = z
  .strictObject({
    conversationId: EndedConversationId,
    userId: UserId.meta({ description: 'Whose score changes: yourself, unless your token has the scope service' }),
    startTime: givenTime,
    endTime: givenTime,
    conversationLog: z
      .array(LogEntry)
      .max(MAX_LOG_ENTRIES)
      .optional()
      .meta({ description: 'Left out for a conversation of Parley: its messages since its last end are the log' }),
  })
  .refine(({ startTime, endTime }) => Date.parse(startTime) <= Date.parse(endTime), {
    path: ['endTime'],
    error: 'must not be before startTime',
  })
  .meta({ id: 'ConversationEnd' });
export type ConversationEnd = z.infer<typeof ConversationEnd>;

/** Answer of `POST /v1/conversations/end`. */
export const ConversationEndView = z
  .object({
    eventId: z
      .string()
      .meta({ description: 'This end; with a timestamp at its end when the conversation had ended before with another body' }),
    conversationId: EndedConversationId,
    status: z.literal('accepted'),
  })
  .meta({ id: 'ConversationEndAccepted' });
export type ConversationEndView = z.infer<typeof ConversationEndView>;

/** What a user's conversations were about. The scores of all topics add up to the score of the user (R088). */
export const TopicMetrics = z.partialRecord(
  Topic,
  z
    .object({
      conversations: z.int().nonnegative().meta({ description: 'Ended conversations in which it came up' }),
      score: z.int().meta({ description: 'Its part of the score' }),
      lastAt: time.meta({ description: 'When it last came up' }),
    })
    .meta({ id: 'TopicMetric' }),
);
export type TopicMetrics = z.infer<typeof TopicMetrics>;

/** `GET /v1/friendship_status/{userId}`. A user without any has the default: a stranger with score 0 and version 0. */
export const FriendshipStatusView = z
  .object({
    userId: UserId,
    score: z.int().nonnegative(),
    level: Level,
    topicMetrics: TopicMetrics,
    version: z.int().nonnegative().meta({ description: 'Rises with each change' }),
    updatedAt: time.nullable().meta({ description: 'null: never' }),
    degraded: z.boolean().meta({ description: 'An analysis failed; the score will be calculated again' }),
  })
  .meta({ id: 'FriendshipStatus' });
export type FriendshipStatusView = z.infer<typeof FriendshipStatusView>;

/** A score that was computed. */
export const ScoreView = z
  .object({
    conversationId: EndedConversationId,
    scoreChange: z.int(),
    userQuestions: z.int().nonnegative(),
    emotion: Emotion,
    degraded: z.boolean().meta({ description: 'A part could not be analysed and has its fallback' }),
    reasons: z.array(z.string()).meta({ description: 'What the change is made of, in words' }),
  })
  .meta({ id: 'Score' });
export type ScoreView = z.infer<typeof ScoreView>;

/** One line of a user's history. */
export const ScoreChangeView = z
  .object({
    conversationId: EndedConversationId,
    endId: z.uuid().meta({ description: 'The end of the conversation that was scored' }),
    revision: z.int().positive().meta({ description: '2 and more: its messages changed after it was scored' }),
    scoringVersion: z.int().positive().meta({ description: 'Version of the formula' }),
    scoreChange: z.int(),
    score: z.int().nonnegative().meta({ description: 'After the change' }),
    level: Level,
    version: z.int().positive().meta({ description: 'Of the status, after the change' }),
    topics: z.partialRecord(Topic, z.int()).meta({ description: 'The parts of scoreChange' }),
    userQuestions: z.int().nonnegative(),
    emotion: Emotion,
    reasons: z.array(z.string()),
    analysedBy: z.object({ provider: z.string(), model: z.string(), promptVersion: z.int() }),
    endedAt: time,
    updatedAt: time,
  })
  .meta({ id: 'ScoreChange' });
export type ScoreChangeView = z.infer<typeof ScoreChangeView>;

/** `GET /v1/friendship_status/{userId}/history`. */
export const FriendshipHistoryPage = z.strictObject({
  cursor: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'must be the nextCursor of an earlier page')
    .transform(Number)
    .optional()
    .meta({ description: 'nextCursor of the page before' }),
  limit: z.coerce.number().int().min(1).max(100).default(20),
});
export type FriendshipHistoryPage = z.infer<typeof FriendshipHistoryPage>;

/** Answer of `GET /v1/friendship_status/{userId}/history`, newest first. */
export const FriendshipHistory = z
  .object({ items: z.array(ScoreChangeView), nextCursor: z.string().nullable() })
  .meta({ id: 'FriendshipHistory' });
export type FriendshipHistory = z.infer<typeof FriendshipHistory>;

const whose = UserId.optional().meta({
  description: 'Whose score it is: yourself. With the scope service any user; left out, the one user who ended the conversation',
});

/** Query of `POST /v1/friendship_status/calculate-score/{conversationId}`. */
export const ScoreOf = z.strictObject({ userId: whose });
export type ScoreOf = z.infer<typeof ScoreOf>;

/** `POST /v1/friendship_status/calculate-score-and-update`. */
export const ScoreCalculation = z.strictObject({ conversationId: EndedConversationId, userId: whose }).meta({ id: 'ScoreCalculation' });
export type ScoreCalculation = z.infer<typeof ScoreCalculation>;

/** What the gateway asks the scoring service: what a conversation would be worth to a user's score now. */
export const ScoreQuestion = z.strictObject({ conversationId: EndedConversationId, userId: UserId });
export type ScoreQuestion = z.infer<typeof ScoreQuestion>;

/** The answer; `null`: there is no such conversation, or what was said in it is gone. */
export const ScoreAnswer = z.object({ score: ScoreView.nullable() });
export type ScoreAnswer = z.infer<typeof ScoreAnswer>;
