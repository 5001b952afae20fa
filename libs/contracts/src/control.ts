import { z } from 'zod';
import { AlertsReport } from './alerts.js';
import { everyDependency } from './dependencies.js';
import { Measurements } from './measurements.js';
import { ScalingReport } from './scaling.js';

/** Fanout exchange that takes a question to every process of every app (ADR 21). */
export const CONTROL_EXCHANGE = 'parley.control';

/** The process that answers, as in its connection names, e.g. `embedding` on `host-1` with pid 42. */
export const ProcessName = z.object({
  app: z.string().min(1).max(64),
  host: z.string().min(1).max(255),
  pid: z.int().positive(),
});
export type ProcessName = z.infer<typeof ProcessName>;

/** A circuit breaker of one process. */
export const BreakerState = z
  .object({
    dependency: z.enum(everyDependency),
    operation: z.string().max(100),
    state: z.enum(['closed', 'half-open', 'open']),
    since: z.iso.datetime().meta({ description: 'When it took on this state' }),
  })
  .meta({ id: 'BreakerState' });

const WaitState = z.object({
  dependency: z.string(),
  operation: z.string(),
  stage: z.enum(['place', 'connection', 'answer', 'retry']).meta({ description: 'What it waits for' }),
  forMs: z.number(),
});

const WorkState = z.object({
  kind: z.enum(['request', 'event']),
  id: z.string().meta({ description: 'Request id or event id' }),
  what: z.string().meta({ description: 'Method and route, or the queue with the size of the batch' }),
  conversationId: z.string().optional(),
  messageId: z.string().optional(),
  phase: z.enum(['receiving', 'handling', 'answered']),
  ageMs: z.number(),
  deadlineMs: z.number().nullable(),
  isOverdue: z.boolean().meta({ description: 'Its handler runs for longer than its deadline' }),
  waitingFor: z.array(WaitState).max(100),
});

/** Work in progress in one process. */
export const ProcessState = z.object({
  at: z.iso.datetime(),
  uptimeSeconds: z.number(),
  eventLoopLagMs: z.number().meta({ description: 'How late timers run' }),
  work: z.object({ count: z.int(), items: z.array(WorkState).max(1_000).meta({ description: 'The oldest first' }) }),
  pools: z.array(z.object({ name: z.string(), size: z.int(), inUse: z.int(), waiting: z.int(), exhaustedForMs: z.number() })).max(200),
  breakers: z.array(BreakerState).max(200).optional().meta({ description: 'Those that are not closed' }),
});
export type ProcessState = z.infer<typeof ProcessState>;

/** What one process consumes from one queue. */
export const ConsumerState = z.object({
  queue: z.string().max(255),
  state: z.enum(['running', 'paused', 'probing', 'ramp']),
  pausedSince: z.iso.datetime().nullable().meta({ description: 'null = it is not paused' }),
  unacked: z.int().min(0).meta({ description: 'Messages that it holds: waiting for their batch, being handled, or kept in an outage' }),
  oldestAt: z.iso.datetime().nullable().meta({ description: 'When the oldest event that it holds happened; null = it holds none' }),
});
export type ConsumerState = z.infer<typeof ConsumerState>;

/** Publishes of one process with one routing key that RabbitMQ currently refuses. */
export const PublishTrouble = z
  .object({
    routingKey: z.string().max(255).meta({ description: 'Of an event, or the queue that a copy goes to' }),
    since: z.iso.datetime().meta({ description: 'When the first one in a row failed' }),
    outcome: z.enum(['nacked', 'returned', 'ambiguous']).meta({ description: 'nacked: refused, e.g. by a full queue' }),
    reason: z.string().max(300),
    code: z.int().nullable().meta({ description: 'AMQP reply code; null = a nack, or no answer' }),
    count: z.int().meta({ description: 'Failed publishes in a row' }),
  })
  .meta({ id: 'PublishTrouble' });

/** Questions that every process answers, with the schema of the answer; null = does not apply to this process. */
export const controlAnswers = {
  presence: z.null(),
  breakers: z.array(BreakerState).max(500).nullable(),
  report: ProcessState.nullable(),
  consumers: z.array(ConsumerState).max(200).nullable(),
  publisher: z.array(PublishTrouble).max(200).nullable(),
  /** Answered by `ops` alone. */
  scaling: ScalingReport.nullable(),
  /** Answered by `ops` alone. */
  alerts: AlertsReport.nullable(),
  /** Answered by `ops` alone. */
  measurements: Measurements.nullable(),
} as const;
export type ControlQuestion = keyof typeof controlAnswers;
export type ControlAnswer<Q extends ControlQuestion> = z.infer<(typeof controlAnswers)[Q]>;

/** A message on the control exchange: a question, or the announcement that a process stops. */
export const ControlMessage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('question'), from: ProcessName, question: z.string().max(40) }),
  z.object({ kind: z.literal('leaving'), from: ProcessName }),
]);
export type ControlMessage = z.infer<typeof ControlMessage>;

/** The answer to the asking process. */
export const ControlReply = z.object({
  from: ProcessName,
  answer: z.unknown(),
  failure: z.enum(['unknown-question', 'too-large', 'failed']).optional(),
});
export type ControlReply = z.infer<typeof ControlReply>;

/** Longest answer that is sent or read, in bytes: 100 units of work with all they wait for fit four times. */
export const CONTROL_REPLY_MAX_BYTES = 256 * 1_024;
