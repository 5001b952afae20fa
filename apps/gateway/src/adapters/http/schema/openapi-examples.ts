import { z } from 'zod';
import { SuggestionView } from '#lib/contracts/activities';
import {
  ConsistencyRun,
  ConsistencyStatus,
  DeadLetterDetail,
  DeadLetterOrder,
  DeadLetterOutcome,
  DeadLetterPage,
  OutboxStatus,
  OutboxUnparked,
  OutboxUnparkOrder,
} from '#lib/contracts/admin';
import { MessageTrace } from '#lib/contracts/admin-live';
import { AlertsReport } from '#lib/contracts/alerts';
import { DocumentView } from '#lib/contracts/documents';
import { ContextView, ConversationView, EditedMessage, MessageView, PresenceList, SearchResults } from '#lib/contracts/http';
import { JobAccepted, JobView } from '#lib/contracts/jobs';
import { ScalingReport } from '#lib/contracts/scaling';
import {
  ConversationEnd,
  ConversationEndView,
  FriendshipHistory,
  FriendshipStatusView,
  ScoreCalculation,
  ScoreView,
} from '#lib/contracts/scores';

const conversationId = '0199a2f0-7d1c-7000-8000-000000000001';
const id = '0199a2f0-8a30-7000-8000-000000000002';
const endId = '0199a2f1-1c20-7000-8000-000000000003';
const jobId = '0199a2f1-2b40-7000-8000-000000000004';
const at = '2026-01-31T09:30:00.000Z';
const later = '2026-01-31T09:31:00.000Z';

const message: MessageView = {
  id,
  conversationId,
  seq: 1,
  senderId: 'alice',
  content: 'Shall we have coffee?',
  version: 1,
  createdAt: at,
  pipeline: { delivery: 'pending', embedding: 'pending', scoring: 'pending' },
};
const shown: MessageView = { ...message, pipeline: { delivery: 'done', embedding: 'done', scoring: 'done' } };
const conversation: ConversationView = { id: conversationId, title: 'Lunch', memberIds: ['alice', 'bob'], headSeq: 0, createdAt: at };
const letter = {
  id: '0199a2f0-9000-7000-8000-000000000007',
  queue: 'embedding.messages',
  type: 'message.created',
  conversationId,
  errorClass: 'Reject',
  error: 'the vector has another dimension',
  attempts: 3,
  firstFailedAt: at,
  lastFailedAt: later,
  traceId: null,
  replays: 0,
  replayedAt: null,
  sizeBytes: 412,
};
const process = { app: 'embedding', host: 'host-1', pid: 42 };
const run: z.input<typeof ConsistencyRun> = {
  id: jobId,
  kind: 'check',
  requestedBy: 'olga',
  requestedAt: at,
  startedAt: null,
  finishedAt: null,
  report: null,
  failure: null,
};
const advice: ScalingReport['items'][number] = {
  service: 'embedding',
  action: 'pods',
  rule: 6,
  rebalance: false,
  now: { pods: 2, workers: 1, poolSize: 5, concurrency: 2 },
  to: { pods: 3, workers: 1, poolSize: 5, concurrency: 2 },
  reason: 'The queue grows and the processes are busy.',
  numbers: { backlog: 1_200 },
  checks: ['Is Chroma as fast as usual?'],
  connections: { now: 40, after: 45, budget: 80 },
  watch: ['bus_queue_length'],
  confidence: 'medium',
  etaSeconds: 60,
};
const activity = {
  agentId: 'song-swap',
  type: 'talk',
  topic: 'music',
  guide: null,
  opener: 'Which song is in your head right now?',
} as const;

const example = <Schema extends z.ZodType>(schema: Schema, value: z.input<Schema>): readonly [string, unknown] => [
  z.globalRegistry.get(schema)?.id ?? '',
  value,
];

/**
 * What requests and answers look like, by the name of their schema; those of a schema that stands beside its route are in its `meta`. A test
 * asks for one of each, and compares each with its schema.
 */
export const schemaExamples: Readonly<Record<string, unknown>> = Object.fromEntries([
  example(MessageView, message),
  example(EditedMessage, { content: 'Shall we have tea?' }),
  ['MessageList', { items: [shown], headSeq: 1 }],
  example(ConversationView, conversation),
  [
    'ConversationList',
    {
      items: [{ id: conversationId, title: 'Lunch', memberIds: ['alice', 'bob'], headSeq: 1, readSeq: 0, unread: 1, lastMessage: shown }],
      nextCursor: null,
    },
  ],
  example(SearchResults, {
    items: [
      {
        kind: 'message',
        message: shown,
        score: 0.032,
        ranks: { dense: 1, sparse: 1, rrf: 1 },
        highlight: 'Shall we have <mark>coffee</mark>?',
      },
    ],
    degraded: [],
    tookMs: 12.3,
  }),
  example(ContextView, { items: [{ message: shown, why: 'recent' }], tokens: 10, indexedThroughSeq: 1, degraded: [] }),
  example(PresenceList, {
    items: [
      { userId: 'alice', online: true, lastSeenAt: null },
      { userId: 'bob', online: false, lastSeenAt: at },
    ],
  }),
  example(DocumentView, {
    id: '0199a2f1-3c50-7000-8000-000000000005',
    conversationId,
    ownerId: 'alice',
    title: 'House rules',
    length: 40,
    createdAt: at,
    state: 'pending',
    parts: { indexed: 0, total: 1 },
    chunks: { indexed: 0, total: 1 },
  }),
  example(ConversationEnd, {
    conversationId: 'chat-1',
    userId: 'alice',
    startTime: at,
    endTime: later,
    conversationLog: [
      { role: 'bot', content: 'Which song is in your head right now?', at },
      { role: 'user', content: 'One of yours. Do you sing?' },
    ],
  }),
  example(ConversationEndView, { eventId: endId, conversationId: 'chat-1', status: 'accepted' }),
  example(FriendshipStatusView, {
    userId: 'alice',
    score: 132,
    level: 'acquaintance',
    topicMetrics: { music: { conversations: 4, score: 132, lastAt: at } },
    version: 7,
    updatedAt: at,
    degraded: false,
  }),
  example(FriendshipHistory, {
    items: [
      {
        conversationId: 'chat-1',
        endId,
        revision: 1,
        scoringVersion: 1,
        scoreChange: 12,
        score: 132,
        level: 'acquaintance',
        version: 7,
        topics: { music: 12 },
        userQuestions: 1,
        emotion: 'happy',
        reasons: ['1 question asked'],
        analysedBy: { provider: 'local', model: 'lexicon', promptVersion: 1 },
        endedAt: at,
        updatedAt: later,
      },
    ],
    nextCursor: null,
  }),
  example(ScoreCalculation, { conversationId: 'chat-1' }),
  example(ScoreView, {
    conversationId: 'chat-1',
    scoreChange: 12,
    userQuestions: 1,
    emotion: 'happy',
    degraded: false,
    reasons: ['1 question asked'],
  }),
  example(JobAccepted, { jobId }),
  example(JobView, { id: jobId, kind: 'score', status: 'done', result: { scoreChange: 12 }, error: null, createdAt: at, updatedAt: later }),
  ['SuggestionRequest', { userId: 'alice', language: 'en' }],
  example(SuggestionView, {
    userId: 'alice',
    level: 'acquaintance',
    greeting: 'Hi again! Shall we go on where we stopped?',
    persona: null,
    candidates: [{ ...activity, reason: 'You talked about music in 4 conversations.', weight: 1 }],
    review: null,
    wrapUp: null,
    backups: [{ ...activity, agentId: 'small-talk', topic: 'other' }],
    degraded: false,
  }),
  example(DeadLetterPage, { items: [letter], isComplete: true }),
  example(DeadLetterDetail, { ...letter, payload: { type: 'message.created' }, payloadEncoding: 'json', headers: { 'x-attempts': 3 } }),
  example(DeadLetterOrder, { queue: 'embedding.messages', all: true, errorClass: 'Reject', ratePerSecond: 50, dryRun: true }),
  example(DeadLetterOutcome, {
    queue: 'embedding.messages',
    dryRun: true,
    done: 1,
    refused: [],
    refusedCount: 0,
    diedAgain: null,
    notFound: [],
    items: [letter],
    remaining: 0,
    stoppedBy: null,
    next: null,
  }),
  example(OutboxStatus, { pending: 0, isEstimate: false, oldestAgeSeconds: 0, parked: 0, items: [] }),
  example(OutboxUnparkOrder, { all: true }),
  example(OutboxUnparked, { unparked: 3 }),
  example(ConsistencyRun, run),
  example(ConsistencyStatus, { waiting: run, running: null, last: null }),
  [
    'QueueList',
    {
      items: [
        {
          name: 'embedding.messages',
          ready: 0,
          unacked: 2,
          consumers: 2,
          paused: false,
          oldestAgeSeconds: 0.2,
          deadLetters: 1,
          unknown: false,
          pausedSince: null,
        },
      ],
      unknownQueues: 0,
      publishing: [],
      others: 'asked',
    },
  ],
  [
    'InFlightReport',
    {
      items: [{ ...process, silent: false, at, uptimeSeconds: 60, eventLoopLagMs: 1.2, work: { count: 0, items: [] }, pools: [] }],
      others: 'asked',
      lockWaits: [],
    },
  ],
  [
    'BreakerList',
    { items: [{ ...process, dependency: 'chroma', operation: 'upsert', state: 'open', since: at }], others: 'asked', silent: [] },
  ],
  example(ScalingReport, { at, items: [advice], atDoubleLoad: [], missing: [], seesOnlyItself: false }),
  example(AlertsReport, {
    at,
    environment: 'production',
    channels: ['Google Chat'],
    items: [
      {
        alert: 'DeadLetters',
        severity: 'P1',
        state: 'firing',
        labels: { queue: 'embedding.messages.dlq' },
        summary: '2 dead letters in embedding.messages.dlq',
        since: at,
        mutedBy: null,
        runbook: 'dead-letters.md',
      },
    ],
    lastSent: [],
  }),
  example(MessageTrace, {
    id,
    traceIds: [],
    requestIds: [],
    messageIds: [id],
    steps: [
      { depth: 0, who: 'postgres', what: 'stored as seq 1', at, durationMs: null, outcome: 'ok', isFailed: false },
      {
        depth: 0,
        who: 'embedding',
        what: 'embedding.messages: indexed, version 1: 1 chunks of hash-3',
        at: later,
        durationMs: null,
        outcome: 'ok',
        isFailed: false,
      },
    ],
    missing: ['no delivery yet: message_deliveries has no row'],
  }),
]);

/** Values of what stands in paths, and of queries that have to be there. */
export const parameterExamples: Readonly<Record<string, string>> = {
  conversationId,
  messageId: id,
  traceId: id,
  documentId: '0199a2f1-3c50-7000-8000-000000000005',
  jobId,
  userId: 'bob',
  deviceId: 'pixel-9',
  letterId: letter.id,
  q: 'coffee',
  userIds: 'alice,bob',
};
