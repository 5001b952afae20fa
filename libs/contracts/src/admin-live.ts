import { z } from 'zod';
import { ConsistencyStatus } from './admin.js';
import { AlertsReport } from './alerts.js';
import { BreakerState, ProcessName } from './control.js';
import { PipelineState, QueueView } from './http.js';
import { ConversationId, MessageId } from './ids.js';
import { LatencyColumns, MeasuredProcess, MeasuredQueue } from './measurements.js';
import { ScalingAdvice } from './scaling.js';

// GET /v1/admin/live answers with text/event-stream: `event: <name of a section>`, `data: <the whole section>`. A reader replaces what it has.
// What browser code imports from here are types: the schemas stay on the server.

const at = z.iso.datetime().meta({ description: 'When it was read; one that has not changed is sent again every 15 s, but for `flow`' });

/** A section whose source does not answer; the other sections are not late because of it. */
export const UnknownSection = z.object({
  state: z.literal('unknown'),
  since: z.iso.datetime().meta({ description: 'The first look in a row that failed' }),
  reason: z.string().max(200).meta({ description: 'A code or a sentence, without addresses or content' }),
});
export type UnknownSection = z.infer<typeof UnknownSection>;

const section = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.discriminatedUnion('state', [z.object({ state: z.literal('known'), at, ...shape }), UnknownSection]);

/** A place that messages pass on their way; what is drawn as a box. */
export const FlowNode = z.object({
  id: z.string().max(300),
  kind: z.enum(['client', 'app', 'outbox', 'exchange', 'queue', 'retry', 'dead-letters', 'store']),
  label: z.string().max(100),
  column: z.int().min(0).max(9).meta({ description: 'Where it stands from left to right: messages mostly travel to a higher column' }),
  queue: z
    .string()
    .max(255)
    .optional()
    .meta({ description: 'The row of section `queues` that tells of it: of a queue, its retries and dead letters' }),
  service: z
    .string()
    .max(64)
    .optional()
    .meta({ description: 'The `service` in section `processes`, of an app; in the embedded mode `standalone` is all of them' }),
  dependency: z.string().max(64).optional().meta({ description: 'The `name` in section `dependencies`, of a store and of the exchange' }),
});
export type FlowNode = z.infer<typeof FlowNode>;

/** A way between two nodes, in the direction of what travels. */
export const FlowEdge = z.object({
  from: z.string().max(300),
  to: z.string().max(300),
  kind: z.enum(['request', 'event', 'retry', 'give-up', 'call']).meta({
    description:
      'request: asked and answered; event: through RabbitMQ; retry: back after a while; give-up: to the dead letters; call: uses',
  }),
  events: z.array(z.string().max(100)).max(50).meta({ description: 'Types of events that travel here; [] where it says nothing' }),
});
export type FlowEdge = z.infer<typeof FlowEdge>;

/** The pipeline as a graph; sent once at the start of each stream. */
export const FlowSection = section({ nodes: z.array(FlowNode).max(200), edges: z.array(FlowEdge).max(500) });

/** A queue with its rates; unknown values are null, never 0. */
export const LiveQueue = QueueView.extend(MeasuredQueue.omit({ name: true }).shape);
export type LiveQueue = z.infer<typeof LiveQueue>;

/** Queues in the order of the pipeline, then those that no row describes. Rates come from `ops`: null without it. */
export const QueuesSection = section({ items: z.array(LiveQueue).max(100) });

/** Processes as `ops` knows them from asking each for its metrics every 5 s. */
export const ProcessesSection = section({
  measuredAt: z.iso.datetime().meta({ description: 'The round of ops that it is from' }),
  items: z.array(MeasuredProcess).max(200),
});

/** A line of `GET /v1/health`. */
export const LiveDependency = z.object({
  name: z.string().max(64),
  status: z.enum(['ok', 'degraded', 'down', 'not_configured']),
  latencyMs: z.number().nonnegative(),
  breaker: z.enum(['closed', 'half-open', 'open']).meta({ description: 'The worst of this process' }),
  since: z.iso.datetime().meta({ description: 'Since when the status is what it is' }),
  detail: z.string().max(500).optional().meta({ description: 'Why it is not ok' }),
});
export type LiveDependency = z.infer<typeof LiveDependency>;

/** What this gateway finds behind it, and the breakers of all processes that are not closed. */
export const DependenciesSection = section({
  status: z.enum(['ok', 'degraded', 'down']),
  items: z.array(LiveDependency).max(50),
  breakers: z.array(ProcessName.extend(BreakerState.shape)).max(100).nullable().meta({
    description: 'Breakers that are not closed, of all processes, at most 100; null = not known',
  }),
});

/** Latencies of all processes together, the last 15 minutes. */
export const LatenciesSection = section({ measuredAt: z.iso.datetime(), ...LatencyColumns.shape });

/** Events that a commit promised and that RabbitMQ does not have yet. */
export const OutboxSection = section({
  pending: z.number().nonnegative(),
  isEstimate: z.boolean().meta({ description: '`pending` was estimated from a sample: there are many' }),
  oldestAgeSeconds: z.number().nonnegative().meta({ description: '0 when there is none' }),
  parked: z.int().nonnegative().meta({ description: 'Set aside: no queue took them, or their schema refused them' }),
});

/** A process whose statement waits for a lock, and the processes that hold it. */
export const LiveLockWait = z.object({
  pid: z.int().meta({ description: 'Server process of Postgres that waits' }),
  application: z.string().max(200).meta({ description: '`parley-<app>@<host>#<pid>`' }),
  waitingSeconds: z.number().nonnegative(),
  lock: z.string().max(100).nullable().meta({ description: '`transactionid` = a row that another transaction has changed' }),
  blockedBy: z
    .array(
      z.object({
        pid: z.int(),
        application: z.string().max(200),
        state: z.string().max(100).nullable().meta({ description: '`active`, `idle in transaction`, ...' }),
        transactionSeconds: z.number().nullable().meta({ description: 'Age of its transaction; null = it has none' }),
      }),
    )
    .max(10),
});
export type LiveLockWait = z.infer<typeof LiveLockWait>;

/** Who waits for whom in Postgres, the longest first; [] = no process waits. */
export const LocksSection = section({ items: z.array(LiveLockWait).max(50) });

/** What all processes have in hand of one route or queue. */
export const LiveWork = z.object({
  service: z.string().max(64),
  kind: z.enum(['request', 'event']),
  what: z.string().max(300).meta({ description: 'Method and route, or the queue' }),
  count: z.int().nonnegative(),
  oldestMs: z.number().nonnegative().meta({ description: 'Age of the oldest in milliseconds' }),
  overdue: z.int().nonnegative().meta({ description: 'Those that run for longer than their deadline' }),
  waitingFor: z.string().max(200).nullable().meta({ description: 'What the oldest waits for: dependency and operation; null = nothing' }),
});
export type LiveWork = z.infer<typeof LiveWork>;

/** Work in hand by route and queue, the oldest first. */
export const RequestsSection = section({
  inFlight: z.int().nonnegative().meta({ description: 'All of it, also what `items` leaves out' }),
  items: z.array(LiveWork).max(50),
  silent: z.array(ProcessName).max(50).meta({ description: 'Processes that did not say what they have in hand' }),
});

/** Alerts that fire or are about to, and the last notices, as in `GET /v1/admin/alerts`. */
export const AlertsSection = section({
  environment: AlertsReport.shape.environment,
  channels: AlertsReport.shape.channels,
  items: AlertsReport.shape.items.max(30),
  lastSent: AlertsReport.shape.lastSent,
});

/** What the advisor says of each service; `GET /v1/admin/scaling-advice` has its numbers. */
export const AdviceSection = section({
  items: z
    .array(ScalingAdvice.pick({ service: true, action: true, rebalance: true, reason: true, now: true, to: true, confidence: true }))
    .max(20),
});

/** Whether messages and vectors are in step, as in `GET /v1/admin/consistency`, with at most 5 examples of each kind. */
export const ConsistencySection = section(ConsistencyStatus.shape);

/** A message without its content, for following it: `GET /v1/admin/traces/{id}`. */
export const LiveMessage = z.object({
  id: MessageId,
  conversationId: ConversationId,
  seq: z.int().positive(),
  createdAt: z.iso.datetime(),
  pipeline: PipelineState,
});
export type LiveMessage = z.infer<typeof LiveMessage>;

/** The newest messages first. */
export const MessagesSection = section({ items: z.array(LiveMessage).max(50) });

/** Every section by the name of its SSE event. All together stay below 64 kB in an ordinary deployment. */
export const adminSections = {
  flow: FlowSection,
  queues: QueuesSection,
  processes: ProcessesSection,
  dependencies: DependenciesSection,
  latencies: LatenciesSection,
  outbox: OutboxSection,
  locks: LocksSection,
  requests: RequestsSection,
  alerts: AlertsSection,
  advice: AdviceSection,
  consistency: ConsistencySection,
  messages: MessagesSection,
} as const;
export type AdminSectionName = keyof typeof adminSections;

/** The whole picture: what a reader holds once each section has arrived. */
export type AdminPicture = { readonly [Name in AdminSectionName]: z.infer<(typeof adminSections)[Name]> };

/** `event: goaway`: the last one of a stream. */
export const AdminGoaway = z.object({
  reason: z.enum(['draining', 'token-expired', 'too-old']).meta({
    description: 'draining: the process stops; token-expired: a new token is needed; too-old: the stream has run for an hour',
  }),
  retryInMs: z.int().nonnegative().meta({ description: 'Open the next stream after this time' }),
});
export type AdminGoaway = z.infer<typeof AdminGoaway>;

/** One thing that happened on the way of a message. */
export const TraceStep = z.object({
  depth: z.int().min(0).max(50).meta({ description: '0 = on its own; n = because of the last step before it with depth n - 1' }),
  who: z.string().max(100).meta({ description: 'The process, or `postgres` for what stands in a table' }),
  what: z.string().max(500),
  at: z.iso.datetime().meta({ description: 'When it began' }),
  durationMs: z.number().nonnegative().nullable().meta({ description: 'null = not known, or it has no length' }),
  outcome: z.string().max(200).meta({ description: 'As its source has it: a status, `ok`, `waiting`, a code' }),
  isFailed: z.boolean(),
});
export type TraceStep = z.infer<typeof TraceStep>;

/** `GET /v1/admin/traces/{id}`: the way of one message, found by the id of itself or of its event. */
export const MessageTrace = z
  .object({
    id: z.string(),
    traceIds: z.array(z.string()).max(100),
    requestIds: z.array(z.string()).max(100),
    messageIds: z.array(z.string()).max(100),
    steps: z.array(TraceStep).max(1_000).meta({ description: 'In the order of their beginnings, each followed by what it led to' }),
    missing: z.array(z.string()).max(100).meta({ description: 'What is not known, and why' }),
  })
  .meta({ id: 'MessageTrace' });
export type MessageTrace = z.infer<typeof MessageTrace>;
