import { Counter, collectDefaultMetrics, Gauge, Histogram, type MetricObjectWithValues, type MetricValue, register } from 'prom-client';
import { containerLimits, throttledSeconds } from './container-limits.js';
import { parleyVersion } from '../process/parley-version.js';
import { overdueWork } from '../work/work-registry.js';
import { poolReports } from '../work/pools.js';

// A person waits for these: fine steps below 200 ms, coarse above.
const INTERACTIVE = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const BACKGROUND = [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300];

const counter = (name: string, help: string, ...labelNames: string[]) => new Counter({ name, help, labelNames });
// With several workers the sum of them is shown; of a gauge whose sum would say nothing, the highest.
const gauge = (name: string, help: string, ...labelNames: string[]) => new Gauge({ name, help, labelNames });
const highest = (name: string, help: string, ...labelNames: string[]) => new Gauge({ name, help, labelNames, aggregator: 'max' });
const lowest = (name: string, help: string, ...labelNames: string[]) => new Gauge({ name, help, labelNames, aggregator: 'min' });
const histogram = (name: string, help: string, buckets: number[], ...labelNames: string[]) =>
  new Histogram({ name, help, buckets, labelNames });

/** Every metric that this version of Parley writes. `docs/reference/metrics.md` is checked against this table. */
export const metrics = {
  buildInfo: highest('build_info', 'Always 1: which service this process is, and of which version', 'service', 'version'),
  httpRequestDuration: histogram('http_request_duration_seconds', 'Time to answer a request', INTERACTIVE, 'route', 'method', 'status'),
  httpConcurrentRequests: gauge('http_concurrent_requests', 'Requests being answered now'),
  errorRate: new Gauge({
    name: 'error_rate',
    help: 'Share of requests answered with 5xx over the last minute, 0 to 1',
    aggregator: 'average',
  }),
  ingestBatchSize: histogram('ingest_batch_size', 'Messages per shared commit', [1, 2, 4, 8, 16, 32, 64, 128, 256]),
  ingestCommitDuration: histogram('ingest_commit_duration_seconds', 'Time of the shared commit', INTERACTIVE),
  outboxPending: highest('outbox_pending', 'Events promised by a commit that RabbitMQ has not confirmed'),
  outboxOldestAge: highest('outbox_oldest_age_seconds', 'Age of the oldest of them'),
  outboxParked: highest('outbox_parked', 'Events set aside because they cannot be published'),
  textIndexPending: highest('text_index_pending', 'Messages whose newest words search does not know yet'),
  textIndexOldestAge: highest('text_index_oldest_age_seconds', 'Age of the oldest of them'),
  textIndexParked: highest('text_index_parked', 'Messages set aside because their words cannot be indexed'),
  amqpPublishDuration: histogram('amqp_publish_duration_seconds', 'From publish to its outcome', INTERACTIVE, 'routing_key', 'outcome'),
  amqpPublishFailing: gauge('amqp_publish_failing', '1 while RabbitMQ refuses what is published with this key', 'routing_key'),
  amqpConnectionBlocked: highest('amqp_connection_blocked', '1 while RabbitMQ reads nothing from a connection: a memory or disk alarm'),
  amqpUnconfirmed: gauge('amqp_unconfirmed', 'Publishes in the confirm window'),
  queueLength: highest('queue_length', 'Messages ready in a queue', 'queue'),
  queueConsumers: highest('queue_consumers', 'Consumers of a queue', 'queue'),
  queueOldestAge: highest(
    'queue_oldest_age_seconds',
    'Age of the oldest message of a queue: in ops of all, in a consumer of those that it holds',
    'queue',
  ),
  deadLetter: counter('dead_letter_total', 'Events that went to the dead-letter queue', 'queue', 'error_class'),
  consistencyFindings: highest('consistency_findings', 'What the last comparison of messages and vectors found', 'kind'),
  consistencyRepaired: counter(
    'consistency_repaired_total',
    'What comparisons of messages and vectors have repaired: messages indexed again (ordered), vectors without a message (removed)',
    'by',
    'what',
  ),
  vectorsRewritten: counter('vectors_rewritten_total', 'Messages whose vectors an older write had replaced, or may have', 'cause'),
  indexingIgnored: counter('indexing_ignored_total', 'Events about messages and documents that Postgres does not have', 'type'),
  pushes: counter('push_total', 'Pushes to devices by what became of them', 'provider', 'outcome'),
  nightlyExpected: highest('nightly_expected_seconds', 'How long the model needs at the least for the ends of the last nightly run'),
  nightlyUsers: counter('nightly_users_total', 'Users that nightly runs had scored again'),
  nightlyFinished: highest('nightly_enqueued_timestamp_seconds', 'When the last nightly run had enqueued every active user, in Unix time'),
  scoreDisagreements: highest(
    'score_disagreements',
    'Users whose score is not the sum of its topics or its history, in the last round of ops',
    'part',
  ),
  scoringIgnored: counter('scoring_ignored_total', 'Events about messages that Postgres does not have', 'type'),
  deliveryIgnored: counter('delivery_ignored_total', 'Events about messages, conversations or members that Postgres does not have', 'type'),
  timeToFanOut: histogram('time_to_fan_out_seconds', 'From the commit of a message to its way to the realtime processes', INTERACTIVE),
  consumerPaused: highest('consumer_paused', '1 while a consumer of a queue waits for a dependency', 'queue'),
  eventHandleDuration: histogram('event_handle_duration_seconds', 'One handler run over a batch', BACKGROUND, 'queue', 'outcome'),
  eventAttempts: counter('event_attempts_total', 'Handled events by outcome', 'queue', 'outcome'),
  eventBusBufferUsed: highest('event_bus_buffer_used', 'Share of a bounded topic buffer in use, 0 to 1', 'topic'),
  embeddingLatency: histogram('embedding_latency_seconds', 'One embedder call', BACKGROUND, 'provider'),
  embeddingCacheHits: counter('embedding_cache_hits_total', 'Texts whose vector was remembered'),
  vectorUpsertDuration: histogram('vector_upsert_duration_seconds', 'One upsert of at most 100 vectors', BACKGROUND),
  vectorQueryTime: histogram('vector_query_time_seconds', 'One nearest-neighbour query', INTERACTIVE),
  timeToSearchable: histogram('time_to_searchable_seconds', 'From the commit of a message to its vectors', BACKGROUND),
  timeToDelivered: histogram(
    'time_to_delivered_seconds',
    'From the commit of a message to the last socket of its members on this process',
    INTERACTIVE,
  ),
  liveGaps: counter('live_gaps_total', 'Times that a conversation lacked messages which were then read from Postgres'),
  wsResume: counter('ws_resume_total', 'Resume points by what became of them', 'outcome'),
  llmTokens: counter('llm_tokens_total', 'Tokens that the language model was given (in) and wrote (out), as it counts them', 'direction'),
  llmBudget: highest('llm_requests_per_minute', 'Requests per minute that the shared budget allows now: each 429 halves it'),
  llmRateLimited: counter('llm_rate_limited_total', 'Answers 429 of the language model'),
  llmBudgetRefused: counter(
    'llm_budget_refused_total',
    'Analyses that found no budget in time: of their user (caller) or all together (shared)',
    'scope',
  ),
  searchDuration: histogram('search_duration_seconds', 'One search', INTERACTIVE, 'mode'),
  mcpToolDuration: histogram('mcp_tool_duration_seconds', 'One call of a tool by an agent', INTERACTIVE, 'tool', 'outcome'),
  dbConnUsage: gauge('db_conn_usage', 'Pool connections', 'lane', 'state'),
  dbPoolWait: histogram('db_pool_wait_seconds', 'Wait for a pool connection', INTERACTIVE, 'lane'),
  dbConnectFailures: counter('db_connect_failures_total', 'Connections to Postgres that could not be made'),
  dbPoolTimeouts: counter('db_pool_timeouts_total', 'Calls that found no connection of their lane in time', 'lane'),
  connectionBudgetRatio: highest(
    'connection_budget_ratio',
    'Connections that all processes may open, as a share of those that Postgres has, when this process started (R057)',
  ),
  dbPoolSize: highest('db_pool_size', 'Connections that one process may open (DB_POOL_SIZE)'),
  dbSlowQueries: counter('db_slow_queries_total', 'Statements slower than DB_SLOW_QUERY_MS', 'lane'),
  workerPoolActive: gauge('worker_pool_active', 'Calls that hold a place in a semaphore', 'pool'),
  workerPoolQueued: gauge('worker_pool_queued', 'Calls that wait for a place in a semaphore', 'pool'),
  healthCheckUp: lowest('health_check_up', '0 while a check of the process fails, else 1', 'check'),
  circuitBreakerState: highest('circuit_breaker_state', '0 closed, 0.5 half-open, 1 open; the worst of its operations', 'dependency'),
  dependencyCallDuration: histogram(
    'dependency_call_duration_seconds',
    'One attempt of a call',
    INTERACTIVE,
    'dependency',
    'operation',
    'outcome',
  ),
  fallback: counter('fallback_total', 'Answers given without a part that failed', 'dependency', 'operation'),
  connectionsRefused: counter('http_connections_refused_total', 'Connections beyond the limit of their address or of the process', 'scope'),
  answersCut: counter(
    'http_answers_cut_total',
    'Answers that their clients did not read: stalled, or the oldest when memory for them ran out',
    'reason',
  ),
  rateLimited: counter('rate_limited_total', 'Requests refused with 429', 'scope'),
  wsConnections: gauge('ws_connections', 'Open WebSockets, those without a hello included'),
  wsFrames: counter('ws_frames_total', 'Frames of WebSockets; bad = in, and not one of the protocol', 'direction', 'type'),
  wsSlowConsumerClosed: counter('ws_slow_consumer_closed_total', 'WebSockets closed because their client did not read (4008)'),
  wsClosed: counter('ws_closed_total', 'WebSockets that ended, by close code; other = a code of the client', 'code'),
  pressureRatio: highest('pressure_ratio', 'How full something is that must not overflow, 0 to 1; no value = not known', 'source'),
  pressureLevel: highest('pressure_level', '0 normal, 1 warn (80 %), 2 shed (90 %), 3 critical (95 %), 4 full (100 %)'),
  liveSubscriptionUp: gauge(
    'live_subscription_up',
    '1 while signals of all followed conversations arrive; 0 while sockets are fed from Postgres',
  ),
  liveSignalsDropped: counter('live_signals_dropped_total', 'Signals from Redis that could not be read'),
  loadShed: counter('load_shed_total', 'Requests refused with 503 or answered with a part left out because of pressure', 'reason'),
  workerProcesses: highest('worker_processes', 'Processes behind one port: wanted, running, and silent when asked', 'state'),
  workerRestarts: counter(
    'worker_restarts_total',
    'Workers that were started again: crash, hang (the watchdog), left (told to stop)',
    'reason',
  ),
  traceSpansExported: counter('trace_spans_exported_total', 'Spans that a collector or Langfuse has taken', 'exporter'),
  traceSpansDropped: counter(
    'trace_spans_dropped_total',
    'Spans that are lost: the queue was full (queue-full), or they were not taken (not-taken)',
    'exporter',
    'reason',
  ),
  eventLoopUtilization: highest('nodejs_eventloop_utilization', 'Busy share of the event loop since the last scrape, 0 to 1'),
  uncaughtErrors: counter('uncaught_errors_total', 'Requests and frames that ended in an error that no code expects', 'where'),
  processCrashed: highest(
    'process_crash_timestamp_seconds',
    'When a process at this place (same service, port and database) last ended by an uncaught error, in Unix time; 0 = never',
  ),
  alertsSent: counter('alerts_sent_total', 'Notices of the built-in alerter by what became of them', 'severity', 'outcome'),
  alertsSuppressed: counter('alerts_suppressed_total', 'Notices of the built-in alerter that were not sent, by why', 'reason'),
  alertsFiring: highest('alerts_firing', '1 while the built-in alerter holds an alert for true', 'alert', 'severity'),
  eventLoopLowest: lowest('nodejs_eventloop_utilization_lowest', 'The same of the least busy worker behind a port'),
  eventLoopActive: counter(
    'nodejs_eventloop_active_seconds_total',
    'Time in which event loops were busy: its rate is how many cores they fill',
  ),
  cpuLimit: highest('process_cpu_limit_cores', 'Cores that all workers behind a port may use; machine = no limit is set', 'source'),
  memoryLimit: highest('process_memory_limit_bytes', 'Memory that all workers behind a port may use; machine = no limit is set', 'source'),
  // Each worker of a pod sees what happened to all of them.
  cpuThrottled: new Counter({
    name: 'process_cpu_throttled_seconds_total',
    help: 'Time in which the CPU limit of the container held its processes back',
    aggregator: 'max',
  }),
  startDuration: highest('process_start_duration_seconds', 'From the start of the process until it was ready for work'),
  scalingRecommendation: highest(
    'scaling_recommendation',
    '1 for what the advisor says of a service now, 0 for the rest',
    'service',
    'action',
  ),
  workOverdue: gauge('work_overdue', 'Handlers that have outlived twice their deadline and have not ended'),
  poolExhaustedSeconds: highest('pool_exhausted_seconds', 'How long a pool has had all places taken and given none back', 'pool'),
  runtimeActiveHandles: gauge('runtime_active_handles', 'Open handles of the process (timers, sockets, ...)'),
} as const;

// A counter that appears with its first event has no rise that Prometheus could see.
for (const where of ['request', 'frame']) metrics.uncaughtErrors.inc({ where }, 0);

let last = performance.eventLoopUtilization();

let lastThrottled = throttledSeconds();
let isStarted = false;

/** Starts Node's own metrics (memory, event-loop lag, GC) beside ours, under the name of `service`; once per process, however often it is called. */
export const startProcessMetrics = (service: string, configuredMemoryBytes?: number): void => {
  if (isStarted) return;
  isStarted = true;
  const { cores, memory } = containerLimits(configuredMemoryBytes);
  metrics.cpuLimit.set({ source: cores.source }, cores.value);
  metrics.memoryLimit.set({ source: memory.source }, memory.value);
  metrics.buildInfo.set({ service, version: parleyVersion }, 1);
  collectDefaultMetrics();
};

const measureNow = (): void => {
  const now = performance.eventLoopUtilization();
  metrics.eventLoopUtilization.set(performance.eventLoopUtilization(now, last).utilization);
  metrics.eventLoopLowest.set(performance.eventLoopUtilization(now, last).utilization);
  metrics.eventLoopActive.inc((now.active - last.active) / 1_000);
  last = now;
  const throttled = throttledSeconds();
  metrics.cpuThrottled.inc(Math.max(0, throttled - lastThrottled));
  lastThrottled = throttled;
  metrics.runtimeActiveHandles.set(process.getActiveResourcesInfo().length);
  metrics.workOverdue.set(overdueWork(0).length);
  for (const { name, exhaustedForMs } of poolReports()) metrics.poolExhaustedSeconds.set({ pool: name }, exhaustedForMs / 1_000);
};

/** The metrics of this process as text (Prometheus exposition format) and its content type. */
export const renderMetrics = async (): Promise<{ contentType: string; body: string }> => {
  measureNow();
  return { contentType: register.contentType, body: await register.metrics() };
};

/** The metrics of this process as data, to be added up with those of others. */
export const metricValues = async (): Promise<MetricObjectWithValues<MetricValue<string>>[]> => {
  measureNow();
  return register.getMetricsAsJSON();
};
