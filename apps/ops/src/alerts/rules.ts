import type { Condition, Where } from './conditions.js';

/** P0: now, wakes the one on call. P1: soon, with a ticket. P2: in the digest of the hour (R089-R091). */
export const severities = ['P0', 'P1', 'P2'] as const;
export type Severity = (typeof severities)[number];

/** A cause that has consequences: while it is known, and for {@link AFTERMATH_SECONDS} after it, alerts about them are not sent. */
export type Outage = 'postgres' | 'rabbitmq';

/** Consequences end later than their cause: a breaker counts as open for a minute more, and what has waited needs time. What lasts longer is told. */
export const AFTERMATH_SECONDS = 90;

/** In two rounds of the built-in alerter: they are five seconds apart, a little less when a check takes its time. An alert is told within 15 s. */
const SEEN_TWICE_SECONDS = 3;

/** One alert, for Prometheus and for the built-in alerter. Text may name its labels and `value` in braces: `{queue}`. */
export interface AlertRule {
  readonly name: string;
  readonly severity: Severity;
  /** PromQL; true for each sample that it gives. */
  readonly expr: string;
  /** How long it is true before it fires. */
  readonly forSeconds: number;
  /** Labels that say what it is about. */
  readonly by: readonly string[];
  /** One line of the notice. */
  readonly summary: string;
  /** What users notice, and what not. */
  readonly means: string;
  readonly firstCommands: readonly [string, string, string];
  readonly endsWhen: string;
  /** Page in `docs/operate/runbooks`. */
  readonly runbook: string;
  readonly outageOf?: Outage;
  readonly consequenceOf?: readonly Outage[];
  /** The milder rule about the same thing: silent while this one fires. */
  readonly worseThan?: string;
  /** Any of these, for the alerter in `ops`; left out where only Prometheus knows enough. `afterSeconds` left out: like `forSeconds`. */
  readonly builtIn?: { readonly anyOf: readonly Condition[]; readonly afterSeconds?: number };
}

const HEALTH = 'curl -s localhost:8080/v1/health';
const QUEUES = 'npm run parley -- queues --watch';
const BREAKERS = 'npm run parley -- breakers';
const IN_FLIGHT = 'npm run parley -- in-flight';
const OUTBOX = 'npm run parley -- outbox';
const STATUS = 'npm run status';
const DEAD_LETTERS = 'npm run parley -- dlq list';
const FATAL = `grep -h '"level":"fatal"' .parley/logs/*.log | tail -5`;
const ERRORS = `grep -h '"level":"\\(error\\|fatal\\)"' .parley/logs/*.log | tail`;

/** Requests of callers: neither probes nor metrics. */
const OPERATIONS = '/livez|/readyz|/metrics|/v1/health';
const NOT_OPERATIONS: Where = { route: OPERATIONS };
const requests = `http_request_duration_seconds_count{route!~"${OPERATIONS}"}`;
const failedRequests = `http_request_duration_seconds_count{route!~"${OPERATIONS}",status=~"5.."}`;
/** Targets of Prometheus that are processes of ours. */
const PARLEY = '{job=~".*parley.*"}';
const DEAD: Where = { queue: '.+[.]dlq' };
/** The end of the objective: 1 % of sends may be slower than 200 ms or fail. */
const SLO_BUDGET = 0.01;
const burns = (factor: number, short: string, long: string) => {
  const limit = Number((factor * SLO_BUDGET).toPrecision(3));
  return `parley:send_misses:ratio_rate${short} > ${limit} and parley:send_misses:ratio_rate${long} > ${limit}`;
};
/**
 * Breakers that were open within the last minute: a trial of a half-open one is no end, and one that stays half-open, because nothing has
 * called since the dependency is back, is no fault.
 */
const openBreakers = (dependency: string) => `max by (dependency) (max_over_time(circuit_breaker_state{dependency${dependency}}[1m])) == 1`;
const openBreaker = (which: { readonly where: Where } | { readonly except: Where }): Condition => ({
  kind: 'value',
  metric: 'circuit_breaker_state',
  ...which,
  by: ['dependency'],
  overSeconds: 60,
  above: 0.5,
});
const quantileOf = (quantile: number, above: number): string =>
  `histogram_quantile(${quantile}, sum by (service, le) (rate(http_request_duration_seconds_bucket{route!~"${OPERATIONS}"}[5m]))) > ${above}` +
  ` and sum by (service) (rate(${requests}[5m])) > 0.1`;
const slowRequests = (quantile: number, above: number): Condition => ({
  kind: 'quantile',
  metric: 'http_request_duration_seconds',
  except: NOT_OPERATIONS,
  by: ['service'],
  quantile,
  overSeconds: 300,
  above,
  atLeast: 30,
});

/** Sends: `POST .../messages`. What takes longer than 200 ms or fails with 5xx misses the objective of 99 % (docs/performance.md). */
const SENDS = 'method="POST",route=~".*/messages"';

/** Ratios that rules are made of, for Prometheus to keep: the share of sends that missed the objective. */
export const recordings: readonly { readonly record: string; readonly expr: string }[] = ['5m', '30m', '1h', '6h'].map((window) => ({
  record: `parley:send_misses:ratio_rate${window}`,
  expr:
    `1 - sum(rate(http_request_duration_seconds_bucket{${SENDS},le="0.2",status!~"5.."}[${window}]))` +
    ` / sum(rate(http_request_duration_seconds_count{${SENDS}}[${window}]))`,
}));

/**
 * Every alert of Parley, the gravest first. `npm run docs` prints it as rules for Prometheus, as docs/operate/alerts.md and as the frame of
 * each runbook; the alerter in `ops` evaluates `builtIn`. Numbers: R024, R089-R091, R105, R111; the objective: docs/performance.md.
 */
export const rules: readonly AlertRule[] = [
  {
    name: 'DBConnectionFailure',
    severity: 'P0',
    expr: 'count(health_check_up{check="postgres"} == 0) > 0',
    forSeconds: 15,
    by: [],
    summary: 'Postgres cannot be reached from {value} processes',
    means:
      'Requests get 503 but for /livez, /readyz and /metrics. Nothing that was acknowledged is lost; open sockets stay, and clients send again.',
    firstCommands: [HEALTH, 'pg_isready --dbname "$DATABASE_URL"', BREAKERS],
    endsWhen: 'every process reaches Postgres: within 12 s after it is back, without a restart',
    runbook: 'postgres-away.md',
    outageOf: 'postgres',
    builtIn: {
      anyOf: [{ kind: 'value', metric: 'health_check_up', where: { check: 'postgres' }, across: 'min', below: 1 }],
      afterSeconds: SEEN_TWICE_SECONDS,
    },
  },
  {
    name: 'BrokerUnreachable',
    severity: 'P0',
    expr: 'count(health_check_up{check="rabbitmq"} == 0) > 0',
    forSeconds: 30,
    by: [],
    summary: 'RabbitMQ cannot be reached from {value} processes, or blocks them',
    means:
      'Sends are acknowledged and wait in the outbox; vectors, delivery and scores stand still. Sockets get messages from Postgres, up to 2 s late.',
    firstCommands: [HEALTH, 'rabbitmq-diagnostics check_port_connectivity', OUTBOX],
    endsWhen: 'every process publishes again: within 20 s after RabbitMQ is back; then the outbox empties',
    runbook: 'broker-away.md',
    outageOf: 'rabbitmq',
    builtIn: {
      anyOf: [{ kind: 'value', metric: 'health_check_up', where: { check: 'rabbitmq' }, across: 'min', below: 1 }],
      afterSeconds: SEEN_TWICE_SECONDS,
    },
  },
  {
    name: 'BrokerBlocked',
    severity: 'P0',
    expr: 'max(amqp_connection_blocked) > 0',
    forSeconds: 30,
    by: [],
    summary: 'RabbitMQ reads nothing that is published: a memory or disk alarm',
    means: 'Like an outage of RabbitMQ for what is published; what it has already is still delivered.',
    firstCommands: ['rabbitmqctl status | grep -A3 -i alarm', 'rabbitmqctl status | grep -iE "disk space|total memory"', OUTBOX],
    endsWhen: 'the alarm ends, and the outbox is empty',
    runbook: 'broker-away.md',
    outageOf: 'rabbitmq',
    worseThan: 'BrokerUnreachable',
    builtIn: { anyOf: [{ kind: 'value', metric: 'amqp_connection_blocked', above: 0 }], afterSeconds: SEEN_TWICE_SECONDS },
  },
  {
    name: 'PostgresBreakerOpen',
    severity: 'P0',
    expr: openBreakers('="postgres"'),
    forSeconds: 0,
    by: ['dependency'],
    summary: 'The circuit breaker to Postgres is open in some process',
    means: 'Calls of one kind to Postgres fail at once in that process; its callers get 503.',
    firstCommands: [BREAKERS, IN_FLIGHT, HEALTH],
    endsWhen: 'for a minute no breaker was open in any process',
    runbook: 'breaker-open.md',
    consequenceOf: ['postgres'],
    builtIn: {
      anyOf: [openBreaker({ where: { dependency: 'postgres' } })],
      // So that one outage is one card: by the second look the server is known to be away, which mutes this.
      afterSeconds: SEEN_TWICE_SECONDS,
    },
  },
  {
    name: 'RabbitmqBreakerOpen',
    severity: 'P0',
    expr: openBreakers('="rabbitmq"'),
    forSeconds: 0,
    by: ['dependency'],
    summary: 'The circuit breaker to RabbitMQ is open in some process',
    means: 'Searches of that process go without embeddings of their words; events wait in the outbox.',
    firstCommands: [BREAKERS, QUEUES, HEALTH],
    endsWhen: 'for a minute no breaker was open in any process',
    runbook: 'breaker-open.md',
    consequenceOf: ['rabbitmq'],
    builtIn: {
      anyOf: [openBreaker({ where: { dependency: 'rabbitmq' } })],
      afterSeconds: SEEN_TWICE_SECONDS,
    },
  },
  {
    name: 'ServiceDown',
    severity: 'P0',
    // A pod has an address before its image is there: what has never answered has five minutes.
    expr:
      `max by (job, instance) (up${PARLEY}) == 0 and` +
      ` (max by (job, instance) (max_over_time(up${PARLEY}[1h])) == 1 or max by (job, instance) (up${PARLEY} offset 5m) == 0)`,
    forSeconds: 30,
    by: ['job', 'instance'],
    summary: '{instance} does not answer',
    means: 'One process is gone or hangs. The others of its app go on; with the only one of an app its work waits.',
    firstCommands: [STATUS, ERRORS, IN_FLIGHT],
    endsWhen: 'it answers /metrics again',
    runbook: 'service-down.md',
    builtIn: { anyOf: [{ kind: 'unreachable' }] },
  },
  {
    name: 'CrashLoop',
    severity: 'P0',
    expr:
      `max by (job, instance) (changes(process_start_time_seconds${PARLEY}[10m])) > 2` +
      ' or sum by (job, instance) (increase(worker_restarts_total{reason=~"crash|hang"}[10m])) > 2',
    forSeconds: 0,
    by: ['job', 'instance'],
    summary: '{instance} was started again {value} times within ten minutes',
    means: 'Something ends the process again and again: a message or request that it does not survive, memory, or the watchdog.',
    firstCommands: [STATUS, ERRORS, DEAD_LETTERS],
    endsWhen: 'it has run for ten minutes',
    runbook: 'service-down.md',
    builtIn: {
      anyOf: [
        { kind: 'restarts', overSeconds: 600, above: 2 },
        {
          kind: 'increase',
          metric: 'worker_restarts_total',
          where: { reason: 'crash|hang' },
          by: ['instance'],
          overSeconds: 600,
          above: 2,
        },
      ],
    },
  },
  {
    name: 'UncaughtErrors',
    severity: 'P0',
    expr: 'sum by (service, where) (increase(uncaught_errors_total[5m])) > 0',
    forSeconds: 0,
    by: ['service', 'where'],
    summary: 'A {where} of {service} ended in an error that no code expects',
    means: 'Its caller got 500 `internal`. It is a bug; the log has the stack under the request id.',
    firstCommands: [ERRORS, IN_FLIGHT, HEALTH],
    endsWhen: 'five minutes have passed without another one',
    runbook: 'uncaught-errors.md',
    builtIn: { anyOf: [{ kind: 'increase', metric: 'uncaught_errors_total', by: ['service', 'where'], overSeconds: 300, above: 0 }] },
  },
  {
    name: 'ProcessCrashed',
    severity: 'P0',
    // Of the process that was started in its place: what the other one counted has ended with it.
    expr: 'min by (service, instance) (time() - (process_crash_timestamp_seconds > 0)) < 300',
    forSeconds: 0,
    by: ['service', 'instance'],
    summary: 'A process of {service} ended by an error that no code expects ({instance})',
    means:
      'It was started again, and the others of its app went on. Its callers got no answer and try again; what it held of queues is handled once more. It is a bug; the log has the stack.',
    firstCommands: [FATAL, STATUS, DEAD_LETTERS],
    endsWhen: 'five minutes have passed without another one',
    runbook: 'uncaught-errors.md',
    builtIn: { anyOf: [{ kind: 'age', metric: 'process_crash_timestamp_seconds', by: ['service', 'instance'], below: 300 }] },
  },
  {
    name: 'Http5xxBurst',
    severity: 'P0',
    expr:
      `sum by (service) (rate(${failedRequests}[5m])) / sum by (service) (rate(${requests}[5m])) > 0.05` +
      ` and sum by (service) (rate(${failedRequests}[5m])) > 1`,
    forSeconds: 60,
    by: ['service'],
    summary: 'More than 5 % of the requests to {service} fail',
    means: 'Callers get 5xx: 503 when the system is full or a dependency is away, 500 for a bug.',
    firstCommands: [HEALTH, ERRORS, BREAKERS],
    endsWhen: 'fewer than 5 % fail',
    runbook: 'errors.md',
    consequenceOf: ['postgres'],
    builtIn: {
      anyOf: [
        {
          kind: 'share',
          metric: 'http_request_duration_seconds_count',
          where: { status: '5..' },
          except: NOT_OPERATIONS,
          of: { metric: 'http_request_duration_seconds_count', except: NOT_OPERATIONS },
          by: ['service'],
          overSeconds: 60,
          above: 0.05,
          atLeast: 60,
        },
      ],
      afterSeconds: 30,
    },
  },
  {
    name: 'PoolTimeouts',
    severity: 'P0',
    expr: 'sum by (service, lane) (rate(db_pool_timeouts_total[1m])) > 1',
    forSeconds: 30,
    by: ['service', 'lane'],
    summary: 'Calls of {service} find no connection to Postgres in time (lane {lane})',
    means: 'Callers of that lane get 503; other lanes have connections of their own.',
    firstCommands: [IN_FLIGHT, BREAKERS, 'curl -s localhost:8080/metrics | grep ^db_'],
    endsWhen: 'calls find connections again',
    runbook: 'connections.md',
    consequenceOf: ['postgres'],
    builtIn: { anyOf: [{ kind: 'increase', metric: 'db_pool_timeouts_total', by: ['service', 'lane'], overSeconds: 60, above: 60 }] },
  },
  {
    name: 'NoConsumers',
    severity: 'P0',
    expr: 'max by (queue) (queue_consumers) == 0 and max by (queue) (queue_length) > 0 unless max by (queue) (consumer_paused) == 1',
    forSeconds: 60,
    by: ['queue'],
    summary: '{queue} has messages and no consumer',
    means: 'What the queue does stands still: its app does not run, or cannot start. Nothing is lost.',
    firstCommands: [STATUS, QUEUES, ERRORS],
    endsWhen: 'a consumer is there',
    runbook: 'queue-old.md',
    consequenceOf: ['postgres', 'rabbitmq'],
    builtIn: {
      anyOf: [
        {
          kind: 'value',
          metric: 'queue_consumers',
          by: ['queue'],
          below: 1,
          and: [{ kind: 'value', metric: 'queue_length', by: ['queue'], above: 0 }],
          unless: [{ kind: 'value', metric: 'consumer_paused', by: ['queue'], above: 0 }],
        },
      ],
    },
  },
  {
    name: 'MessageLossSuspected',
    severity: 'P0',
    expr: 'max(consistency_findings{kind="unindexed"}) > 0',
    forSeconds: 1_200,
    by: [],
    summary: 'Events of {value} messages are missing after two comparisons',
    means: 'The messages are in Postgres. Events between Postgres and their consumer were lost, and the repair did not bring them back.',
    firstCommands: ['npm run parley -- consistency', OUTBOX, DEAD_LETTERS],
    endsWhen: 'a comparison finds every message indexed',
    runbook: 'vectors-out-of-step.md',
    builtIn: { anyOf: [{ kind: 'value', metric: 'consistency_findings', where: { kind: 'unindexed' }, above: 0 }] },
  },
  {
    name: 'AckSloFastBurn',
    severity: 'P0',
    expr: burns(14.4, '5m', '1h'),
    forSeconds: 0,
    by: [],
    summary: 'More than 14 % of the sends of the last hour were slow or failed',
    means: 'At this pace the errors of a month (1 % of sends above 200 ms) are used up in two days.',
    firstCommands: [IN_FLIGHT, BREAKERS, 'curl -s localhost:8080/metrics | grep -E "^(ingest|db_pool)"'],
    endsWhen: 'fewer than 14 % of the sends of the last five minutes miss the objective',
    runbook: 'sends-slow.md',
    consequenceOf: ['postgres'],
  },
  {
    name: 'LlmRateLimited',
    severity: 'P1',
    expr: 'sum(increase(llm_rate_limited_total[5m])) > 0',
    forSeconds: 60,
    by: [],
    summary: 'The language model answers 429',
    means: 'Scores come later: the shared budget halves with each 429 and recovers by itself.',
    firstCommands: ['curl -s localhost:8092/metrics | grep ^llm_', 'npm run parley -- config | grep LLM_', QUEUES],
    endsWhen: 'no 429 came for five minutes',
    runbook: 'llm-limited.md',
    builtIn: { anyOf: [{ kind: 'increase', metric: 'llm_rate_limited_total', overSeconds: 300, above: 0 }] },
  },
  {
    name: 'LatencyP99High',
    severity: 'P1',
    expr: quantileOf(0.99, 5),
    forSeconds: 300,
    by: ['service'],
    summary: 'One of a hundred requests to {service} takes longer than 5 s',
    means: 'Callers wait, and some give up.',
    firstCommands: [IN_FLIGHT, BREAKERS, HEALTH],
    endsWhen: 'P99 is below 5 s',
    runbook: 'requests-slow.md',
    consequenceOf: ['postgres'],
    worseThan: 'LatencyP95High',
    builtIn: { anyOf: [slowRequests(0.99, 5)], afterSeconds: 60 },
  },
  {
    name: 'QueueBacklog',
    severity: 'P1',
    expr: 'max by (queue) (queue_length{queue!~".+[.]dlq"}) > 1000 or max by (queue) (queue_oldest_age_seconds{queue!~".+[.]dlq"}) > 300',
    forSeconds: 120,
    by: ['queue'],
    summary: '{queue} is behind: more than 1,000 messages, or one older than five minutes',
    means: 'What the queue does comes late. Nothing is lost, and sends are acknowledged as before.',
    firstCommands: [QUEUES, IN_FLIGHT, BREAKERS],
    endsWhen: 'fewer than 1,000 wait, none for longer than five minutes',
    runbook: 'queue-old.md',
    consequenceOf: ['postgres', 'rabbitmq'],
    builtIn: {
      anyOf: [
        { kind: 'value', metric: 'queue_length', except: DEAD, by: ['queue'], above: 1_000 },
        { kind: 'value', metric: 'queue_oldest_age_seconds', except: DEAD, by: ['queue'], above: 300 },
      ],
    },
  },
  {
    name: 'PipelineFull',
    severity: 'P1',
    expr: 'max by (source) (pressure_ratio{source=~"queues|outbox|outbox_age"}) >= 0.95',
    forSeconds: 120,
    by: ['source'],
    summary: '{source}: 95 % of what it may hold',
    means: 'Writes of low priority get 503; at 100 % all writes that make events do.',
    firstCommands: [QUEUES, OUTBOX, BREAKERS],
    endsWhen: 'it is below 95 %',
    runbook: 'pipeline-full.md',
    consequenceOf: ['postgres', 'rabbitmq'],
    worseThan: 'PipelineFilling',
    builtIn: {
      anyOf: [{ kind: 'value', metric: 'pressure_ratio', where: { source: 'queues|outbox|outbox_age' }, by: ['source'], above: 0.9499 }],
      afterSeconds: 30,
    },
  },
  {
    name: 'DeliveryLate',
    severity: 'P1',
    expr: 'max(queue_oldest_age_seconds{queue="delivery.messages"}) > 10',
    forSeconds: 60,
    by: [],
    summary: 'Messages wait {value} s for their delivery',
    means: 'Sockets get them from Postgres some seconds late; pushes come late.',
    firstCommands: [QUEUES, IN_FLIGHT, `${DEAD_LETTERS} --queue delivery.messages`],
    endsWhen: 'none waits for longer than 10 s',
    runbook: 'queue-old.md',
    consequenceOf: ['postgres', 'rabbitmq'],
    builtIn: { anyOf: [{ kind: 'value', metric: 'queue_oldest_age_seconds', where: { queue: 'delivery[.]messages' }, above: 10 }] },
  },
  {
    name: 'DeadLetters',
    severity: 'P1',
    // The number that is there: of a counter that appears with its first event Prometheus sees no rise.
    expr: 'max by (queue) (queue_length{queue=~".+[.]dlq"}) > 0',
    forSeconds: 0,
    by: ['queue'],
    summary: '{value} dead letters in {queue}',
    means:
      'Events that failed three times wait for a decision. Their messages are stored and readable; what the queue would have done is missing.',
    firstCommands: [DEAD_LETTERS, 'npm run parley -- dlq show <id>', ERRORS],
    endsWhen: 'the queue of dead letters is empty: replayed or discarded',
    runbook: 'dead-letters.md',
    builtIn: { anyOf: [{ kind: 'value', metric: 'queue_length', where: DEAD, by: ['queue'], above: 0 }] },
  },
  {
    name: 'DependencyBreakerOpen',
    severity: 'P1',
    // The breakers of the alerter itself are left out: it cannot tell that it cannot tell.
    expr: openBreakers('!~"postgres|rabbitmq|googleChat|alertWebhook"'),
    forSeconds: 120,
    by: ['dependency'],
    summary: 'The circuit breaker to {dependency} is open in some process',
    means:
      'Answers leave out what it gives: words in place of meaning (chroma, embedder), limits per process (redis), older scores (llm), no pushes.',
    firstCommands: [BREAKERS, IN_FLIGHT, HEALTH],
    endsWhen: 'for a minute no breaker was open in any process',
    runbook: 'breaker-open.md',
    builtIn: { anyOf: [openBreaker({ except: { dependency: 'postgres|rabbitmq|googleChat|alertWebhook' } })] },
  },
  {
    name: 'OutboxStuck',
    severity: 'P1',
    expr: 'max(outbox_oldest_age_seconds) > 60',
    forSeconds: 60,
    by: [],
    summary: 'An event has waited for {value} s in the outbox',
    means: 'What follows a message (vectors, delivery, scores) does not begin. Nothing is lost.',
    firstCommands: [OUTBOX, 'npm run parley -- queues', HEALTH],
    endsWhen: 'no event is older than a minute',
    runbook: 'outbox-old.md',
    consequenceOf: ['postgres', 'rabbitmq'],
    builtIn: { anyOf: [{ kind: 'value', metric: 'outbox_oldest_age_seconds', above: 60 }] },
  },
  {
    name: 'OutboxParked',
    severity: 'P1',
    expr: 'max(outbox_parked) > 0',
    forSeconds: 60,
    by: [],
    summary: '{value} events were set aside because they cannot be published',
    means: 'No queue took them, or their schema refused them. They wait for a decision.',
    firstCommands: [OUTBOX, 'npm run parley -- queues', 'npm run parley -- outbox unpark --all'],
    endsWhen: 'none is parked',
    runbook: 'outbox-old.md',
    builtIn: { anyOf: [{ kind: 'value', metric: 'outbox_parked', above: 0 }] },
  },
  {
    name: 'PublishingFails',
    severity: 'P1',
    expr: 'max by (routing_key) (amqp_publish_failing) > 0',
    forSeconds: 60,
    by: ['routing_key'],
    summary: 'RabbitMQ refuses {routing_key}',
    means: 'Events of this kind wait in the outbox: a full queue, or one that is missing.',
    firstCommands: ['npm run parley -- queues', OUTBOX, 'rabbitmqctl status | grep -A3 -i alarm'],
    endsWhen: 'RabbitMQ takes them',
    runbook: 'publishing-fails.md',
    consequenceOf: ['rabbitmq'],
    builtIn: { anyOf: [{ kind: 'value', metric: 'amqp_publish_failing', by: ['routing_key'], above: 0 }] },
  },
  {
    name: 'ConnectionBudgetExceeded',
    severity: 'P1',
    expr: 'max(connection_budget_ratio) > 1',
    forSeconds: 60,
    by: [],
    summary: 'The processes may open more connections than Postgres has',
    means: 'The next rollout or peak finds none left; then requests get 503.',
    firstCommands: [
      'npm run parley -- config | grep -E "DB_POOL|WEB_CONCURRENCY"',
      `psql "$DATABASE_URL" -c 'SHOW max_connections'`,
      BREAKERS,
    ],
    endsWhen: 'the sum fits: a lower DB_POOL_SIZE or WEB_CONCURRENCY, or a higher max_connections, and a restart',
    runbook: 'connections.md',
    worseThan: 'ConnectionBudgetHigh',
    builtIn: { anyOf: [{ kind: 'value', metric: 'connection_budget_ratio', above: 1 }] },
  },
  {
    name: 'ConnectionsFail',
    severity: 'P1',
    expr: 'sum by (service) (increase(db_connect_failures_total[5m])) > 5',
    forSeconds: 60,
    by: ['service'],
    summary: '{service} cannot make connections to Postgres',
    means: 'Postgres answers, and refuses new connections: too many, a wrong password, or a limit of the role.',
    firstCommands: [ERRORS, `psql "$DATABASE_URL" -c 'SELECT usename, count(*) FROM pg_stat_activity GROUP BY 1'`, BREAKERS],
    endsWhen: 'none failed for five minutes',
    runbook: 'connections.md',
    consequenceOf: ['postgres'],
    builtIn: { anyOf: [{ kind: 'increase', metric: 'db_connect_failures_total', by: ['service'], overSeconds: 300, above: 5 }] },
  },
  {
    name: 'AckSloSlowBurn',
    severity: 'P1',
    expr: burns(6, '30m', '6h'),
    forSeconds: 0,
    by: [],
    summary: 'More than 6 % of the sends of the last six hours were slow or failed',
    means: 'At this pace the errors of a month are used up in five days.',
    firstCommands: [IN_FLIGHT, BREAKERS, 'curl -s localhost:8080/metrics | grep -E "^(ingest|db_pool)"'],
    endsWhen: 'fewer than 6 % of the sends of the last half hour miss the objective',
    runbook: 'sends-slow.md',
    consequenceOf: ['postgres'],
  },
  {
    name: 'EmbeddingFailureSpike',
    severity: 'P1',
    expr:
      'sum(rate(dependency_call_duration_seconds_count{dependency="embedder",outcome=~"unavailable|timeout"}[5m]))' +
      ' / sum(rate(dependency_call_duration_seconds_count{dependency="embedder",outcome!~"open|overloaded"}[5m])) > 0.2' +
      ' and sum(increase(dependency_call_duration_seconds_count{dependency="embedder",outcome=~"unavailable|timeout"}[5m])) >= 10',
    forSeconds: 120,
    by: [],
    summary: 'More than a fifth of the calls to the embedder fail',
    means: 'Vectors come late; searches go by words where no vector is there.',
    firstCommands: [BREAKERS, 'npm run parley -- config | grep EMBEDDING', ERRORS],
    endsWhen: 'fewer than a fifth fail',
    runbook: 'embedding-failing.md',
    builtIn: {
      anyOf: [
        {
          kind: 'share',
          metric: 'dependency_call_duration_seconds_count',
          where: { dependency: 'embedder', outcome: 'unavailable|timeout' },
          of: {
            metric: 'dependency_call_duration_seconds_count',
            where: { dependency: 'embedder' },
            except: { outcome: 'open|overloaded' },
          },
          overSeconds: 300,
          above: 0.2,
          atLeast: 10,
        },
      ],
      afterSeconds: 0,
    },
  },
  {
    name: 'LiveSignalsLost',
    severity: 'P1',
    expr: 'min by (service) (live_subscription_up{service=~".*realtime.*"}) == 0',
    forSeconds: 60,
    by: ['service'],
    summary: '{service} hears no signals from Redis',
    means: 'Its sockets get every message from Postgres, up to 2 s late; typing and presence rest.',
    firstCommands: [BREAKERS, 'redis-cli -u "$REDIS_URL" ping', 'curl -s localhost:8081/metrics | grep ^live_'],
    endsWhen: 'it is subscribed again',
    runbook: 'live-signals-lost.md',
    builtIn: {
      anyOf: [
        { kind: 'value', metric: 'live_subscription_up', where: { service: '.*realtime.*' }, by: ['service'], across: 'min', below: 1 },
      ],
    },
  },
  {
    name: 'PushesFailing',
    severity: 'P1',
    expr: 'sum by (provider) (increase(push_total{outcome=~"away|refused"}[5m])) > 10',
    forSeconds: 0,
    by: ['provider'],
    summary: 'Pushes over {provider} fail',
    means: 'Devices that are offline hear nothing; messages are delivered to sockets as ever.',
    firstCommands: ['curl -s localhost:8084/metrics | grep ^push_total', `${DEAD_LETTERS} --queue delivery.push`, BREAKERS],
    endsWhen: 'fewer than ten failed within five minutes',
    runbook: 'push-failing.md',
    builtIn: {
      anyOf: [
        { kind: 'increase', metric: 'push_total', where: { outcome: 'away|refused' }, by: ['provider'], overSeconds: 300, above: 10 },
      ],
    },
  },
  {
    name: 'SearchBehind',
    severity: 'P1',
    expr: 'max(text_index_oldest_age_seconds) > 60',
    forSeconds: 300,
    by: [],
    summary: 'Search by words does not know messages of {value} s ago',
    means: 'Messages are stored and delivered; their words are not found yet.',
    firstCommands: ['curl -s localhost:8083/metrics | grep ^text_index', IN_FLIGHT, STATUS],
    endsWhen: 'words are found within a minute',
    runbook: 'search-behind.md',
    consequenceOf: ['postgres'],
    builtIn: { anyOf: [{ kind: 'value', metric: 'text_index_oldest_age_seconds', above: 60 }] },
  },
  {
    name: 'VectorsOutOfStep',
    severity: 'P1',
    expr: 'max by (kind) (consistency_findings{kind!~"failed|unindexed"}) > 0',
    forSeconds: 1_200,
    by: ['kind'],
    summary: 'Messages and vectors differ after two comparisons: {value} {kind}',
    means: 'Searches miss or repeat messages. What is known is repaired by itself; this has a cause that no repair removes.',
    firstCommands: ['npm run parley -- consistency', DEAD_LETTERS, QUEUES],
    endsWhen: 'a comparison finds nothing',
    runbook: 'vectors-out-of-step.md',
    builtIn: { anyOf: [{ kind: 'value', metric: 'consistency_findings', except: { kind: 'failed|unindexed' }, by: ['kind'], above: 0 }] },
  },
  {
    name: 'NightTooShort',
    severity: 'P1',
    expr: 'max(nightly_expected_seconds) > 18000',
    forSeconds: 0,
    by: [],
    summary: 'Scoring every active user takes longer than five hours',
    means: 'Scores of the night are not there in the morning.',
    firstCommands: ['curl -s localhost:8083/metrics | grep ^nightly', 'npm run parley -- config | grep -E "LLM_|NIGHTLY"', QUEUES],
    endsWhen: 'the budget of the model is larger, or fewer users are active',
    runbook: 'night.md',
    builtIn: { anyOf: [{ kind: 'value', metric: 'nightly_expected_seconds', above: 18_000 }] },
  },
  {
    name: 'NightMissed',
    severity: 'P1',
    expr: 'time() - max(nightly_enqueued_timestamp_seconds > 0) > 93600',
    forSeconds: 0,
    by: [],
    summary: 'No nightly run has ended for 26 hours',
    means: 'Active users were not scored again; a missed night is made up for within NIGHTLY_WINDOW_HOURS.',
    firstCommands: [STATUS, `grep -h nightly .parley/logs/ops.log | tail`, 'curl -s localhost:8083/metrics | grep ^nightly'],
    endsWhen: 'a run has ended',
    runbook: 'night.md',
    builtIn: { anyOf: [{ kind: 'age', metric: 'nightly_enqueued_timestamp_seconds', above: 93_600 }] },
  },
  {
    name: 'ScoresDisagree',
    severity: 'P1',
    expr: 'max by (part) (score_disagreements) > 0',
    forSeconds: 1_800,
    by: ['part'],
    summary: 'Scores of {value} users are not the sum of their {part}',
    means: 'Some level or suggestion may be wrong.',
    firstCommands: [`grep -h score .parley/logs/ops.log | tail`, DEAD_LETTERS, 'npm run parley -- rescore --help'],
    endsWhen: 'a round finds none',
    runbook: 'scores-disagree.md',
    builtIn: { anyOf: [{ kind: 'value', metric: 'score_disagreements', by: ['part'], above: 0 }] },
  },
  {
    name: 'WorkOverdue',
    severity: 'P1',
    expr: 'max by (service) (work_overdue) > 0',
    forSeconds: 300,
    by: ['service'],
    summary: '{value} handlers of {service} do not end',
    means: 'They have outlived twice their deadline and hold places that others need; the watchdog ends the process when nothing moves.',
    firstCommands: [IN_FLIGHT, BREAKERS, ERRORS],
    endsWhen: 'they have ended, or their process was started again',
    runbook: 'requests-slow.md',
    builtIn: { anyOf: [{ kind: 'value', metric: 'work_overdue', by: ['service'], above: 0 }] },
  },
  {
    name: 'AlertsNotSent',
    severity: 'P1',
    expr: 'sum(increase(alerts_sent_total{outcome=~"failed|dropped"}[15m])) > 0',
    forSeconds: 0,
    by: [],
    summary: 'The built-in alerter could not send {value} notices',
    means: 'Google Chat or the webhook does not take them. Alerts of Prometheus are not concerned.',
    firstCommands: ['npm run parley -- alerts', 'grep -h alert .parley/logs/ops.log | tail', BREAKERS],
    endsWhen: 'none failed for a quarter of an hour',
    runbook: 'alerts-not-sent.md',
  },
  {
    name: 'FallbackTriggered',
    severity: 'P2',
    // A series that was not there an hour ago has risen by what it is.
    expr:
      'sum by (dependency, operation) (increase(fallback_total[1h])) > 0' +
      ' or sum by (dependency, operation) (fallback_total unless fallback_total offset 1h) > 0',
    forSeconds: 0,
    by: ['dependency', 'operation'],
    summary: 'Answers were given without {dependency} ({operation})',
    means: 'Something was left out or simpler: `degraded` in the answer says what.',
    firstCommands: [BREAKERS, HEALTH, 'curl -s localhost:8080/metrics | grep ^fallback'],
    endsWhen: 'an hour has passed without one',
    runbook: 'fallbacks.md',
    builtIn: { anyOf: [{ kind: 'increase', metric: 'fallback_total', by: ['dependency', 'operation'], overSeconds: 60, above: 0 }] },
  },
  {
    name: 'LatencyP95High',
    severity: 'P2',
    expr: quantileOf(0.95, 2),
    forSeconds: 300,
    by: ['service'],
    summary: 'One of twenty requests to {service} takes longer than 2 s',
    means: 'Callers wait.',
    firstCommands: [IN_FLIGHT, BREAKERS, HEALTH],
    endsWhen: 'P95 is below 2 s',
    runbook: 'requests-slow.md',
    consequenceOf: ['postgres'],
    builtIn: { anyOf: [slowRequests(0.95, 2)], afterSeconds: 60 },
  },
  {
    name: 'SendsSlow',
    severity: 'P2',
    expr: `histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{${SENDS}}[5m]))) > 0.2 and sum(rate(http_request_duration_seconds_count{${SENDS}}[5m])) > 0.1`,
    forSeconds: 300,
    by: [],
    summary: 'One of twenty sends takes longer than 200 ms',
    means: 'The promise of an acknowledgement within 200 ms is not kept.',
    firstCommands: [IN_FLIGHT, BREAKERS, 'curl -s localhost:8080/metrics | grep -E "^(ingest|db_pool)"'],
    endsWhen: 'P95 is below 200 ms',
    runbook: 'sends-slow.md',
    consequenceOf: ['postgres'],
    builtIn: {
      anyOf: [
        {
          kind: 'quantile',
          metric: 'http_request_duration_seconds',
          where: { method: 'POST', route: '.*/messages' },
          quantile: 0.95,
          overSeconds: 300,
          above: 0.2,
          atLeast: 30,
        },
      ],
    },
  },
  {
    name: 'ErrorsMany',
    severity: 'P2',
    expr: 'max by (service) (error_rate) > 0.01',
    forSeconds: 300,
    by: ['service'],
    summary: 'More than 1 % of the requests to {service} fail',
    means: 'Some callers get 5xx.',
    firstCommands: [ERRORS, HEALTH, BREAKERS],
    endsWhen: 'fewer than 1 % of the last minute fail',
    runbook: 'errors.md',
    consequenceOf: ['postgres'],
    builtIn: { anyOf: [{ kind: 'value', metric: 'error_rate', by: ['service'], above: 0.01 }] },
  },
  {
    name: 'PipelineFilling',
    severity: 'P2',
    expr: 'max by (source) (pressure_ratio{source=~"queues|outbox|outbox_age"}) >= 0.8',
    forSeconds: 120,
    by: ['source'],
    summary: '{source}: 80 % of what it may hold',
    means: 'Nothing yet but for embedding on the spot, which is off; at 90 % writes of low priority get 503.',
    firstCommands: [QUEUES, OUTBOX, BREAKERS],
    endsWhen: 'it is below 80 %',
    runbook: 'pipeline-full.md',
    consequenceOf: ['postgres', 'rabbitmq'],
    builtIn: {
      anyOf: [{ kind: 'value', metric: 'pressure_ratio', where: { source: 'queues|outbox|outbox_age' }, by: ['source'], above: 0.7999 }],
    },
  },
  {
    name: 'MemoryHigh',
    severity: 'P2',
    expr: 'max by (service) (pressure_ratio{source="memory"}) >= 0.8',
    forSeconds: 300,
    by: ['service'],
    summary: '{service} uses 80 % of its memory',
    means: 'Caches are emptied; at 90 % large bodies are refused.',
    firstCommands: [IN_FLIGHT, 'curl -s localhost:8080/metrics | grep -E "^(process_resident|nodejs_heap)"', STATUS],
    endsWhen: 'it is below 80 %',
    runbook: 'process-busy.md',
    builtIn: { anyOf: [{ kind: 'value', metric: 'pressure_ratio', where: { source: 'memory' }, by: ['service'], above: 0.7999 }] },
  },
  {
    name: 'EventLoopLag',
    severity: 'P2',
    expr: 'max by (service) (nodejs_eventloop_lag_p99_seconds) > 0.1',
    forSeconds: 300,
    by: ['service'],
    summary: 'Timers of {service} run {value} s late',
    means: 'The process has more to do than one core can: its answers and frames are late.',
    firstCommands: [IN_FLIGHT, STATUS, 'curl -s localhost:8080/metrics | grep ^nodejs_eventloop'],
    endsWhen: 'timers run less than 0.1 s late',
    runbook: 'process-busy.md',
    builtIn: { anyOf: [{ kind: 'value', metric: 'nodejs_eventloop_lag_p99_seconds', by: ['service'], above: 0.1 }] },
  },
  {
    name: 'HandlesMany',
    severity: 'P2',
    // A socket of a user is a handle, and ten thousand of those are an ordinary day.
    expr: 'max by (service, instance) (runtime_active_handles) - max by (service, instance) (ws_connections) > 10000',
    forSeconds: 300,
    by: ['service', 'instance'],
    summary: '{service} has more than 10,000 open handles beside its sockets',
    means: 'Something opens timers, files or connections and does not close them (R111).',
    firstCommands: [IN_FLIGHT, STATUS, 'curl -s localhost:8080/metrics | grep runtime_active_handles'],
    endsWhen: 'there are fewer',
    runbook: 'process-busy.md',
  },
  {
    name: 'SlowClients',
    severity: 'P2',
    expr: 'sum by (service) (increase(ws_slow_consumer_closed_total[5m])) > 20',
    forSeconds: 0,
    by: ['service'],
    summary: 'Sockets are closed because their clients do not read',
    means: 'Those clients connect again and resume; they miss nothing.',
    firstCommands: [
      'curl -s localhost:8081/metrics | grep -E "^ws_(slow|closed)"',
      IN_FLIGHT,
      `grep '"code":4008' .parley/logs/realtime-*.log | tail -5`,
    ],
    endsWhen: 'fewer than 20 were closed within five minutes',
    runbook: 'slow-consumers.md',
    builtIn: { anyOf: [{ kind: 'increase', metric: 'ws_slow_consumer_closed_total', by: ['service'], overSeconds: 300, above: 20 }] },
  },
  {
    name: 'ConnectionBudgetHigh',
    severity: 'P2',
    expr: 'max(connection_budget_ratio) > 0.8',
    forSeconds: 60,
    by: [],
    summary: 'The processes may open more than 80 % of the connections of Postgres',
    means: 'There is room for few more processes.',
    firstCommands: [
      'npm run parley -- config | grep -E "DB_POOL|WEB_CONCURRENCY"',
      `psql "$DATABASE_URL" -c 'SHOW max_connections'`,
      BREAKERS,
    ],
    endsWhen: 'the sum is below 80 %',
    runbook: 'connections.md',
    builtIn: { anyOf: [{ kind: 'value', metric: 'connection_budget_ratio', above: 0.8 }] },
  },
];
