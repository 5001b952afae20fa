/** Values of one series, one for each interval; null = no sample. */
type Values = readonly (number | null)[];

/** What happened, and what one alert says of it. Every number is chosen so that a wrong threshold, window or label fails the case. */
export interface AlertCase {
  readonly rule: string;
  /** Between two values, in seconds; 15 unless said. */
  readonly everySeconds?: number;
  readonly series: Readonly<Record<string, Values>>;
  /** Seconds from the beginning: not yet, now, and over. */
  readonly quietAt: number;
  readonly firingAt: number;
  readonly resolvedAt: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly summary: string;
  /** The same, just not enough: it never fires. */
  readonly nearMiss: Readonly<Record<string, Values>>;
  /** The built-in alerter has no condition for it, or other windows: only Prometheus is asked. */
  readonly onlyPrometheus?: true;
}

const stays = (value: number, count: number): readonly number[] => Array.from({ length: count }, () => value);
const absent = (count: number): Values => Array.from({ length: count }, () => null);
/** Grows by `step` with each value, the first one included. */
const rises = (from: number, step: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => from + step * (i + 1));
/** A gauge that is `value` from the 8th value (1 min 45 s) to the 47th, and `before` around it. */
const pulse = (before: number, value: number): Values => [...stays(before, 7), ...stays(value, 40), ...stays(before, 40)];
const steady = (value: number): Values => stays(value, 87);

/** Counter that rises by `step` from the 8th to the 47th value. */
const burst = (step: number): Values => [...stays(0, 7), ...rises(0, step, 40), ...stays(40 * step, 60)];

/** Moments of {@link pulse}: before, ten minutes in, and after its end. */
const PULSE = { quietAt: 90, firingAt: 690, resolvedAt: 900 } as const;
/** The same for {@link burst} with a window of five minutes. */
const BURST = { quietAt: 90, firingAt: 690, resolvedAt: 1_200 } as const;

interface Gauge {
  readonly rule: string;
  readonly series: string;
  readonly calm: number;
  readonly alarming: number;
  readonly almost: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly summary: string;
  readonly onlyPrometheus?: true;
}

/** A gauge beyond its limit for ten minutes; `almost` is the nearest value that is fine. */
const gauge = ({ rule, series, calm, alarming, almost, labels = {}, summary, ...rest }: Gauge): AlertCase => ({
  rule,
  series: { [series]: pulse(calm, alarming) },
  ...PULSE,
  labels,
  summary,
  nearMiss: { [series]: pulse(calm, almost) },
  ...rest,
});

const HTTP = (service: string, rest: string) => `{service="${service}",instance="${service}-1",job="parley",${rest}}`;
/** Buckets of requests that take between the two limits, `step` of them each interval from the 8th value on. */
const requests = (name: string, labels: string, step: number, fromLe: string): Record<string, Values> =>
  Object.fromEntries([
    ...['0.2', '0.5', '1', '2', '5', '10', '+Inf'].map((le, index, all) => [
      `${name}_bucket{${labels},le="${le}"}`,
      index >= all.indexOf(fromLe) ? burst(step) : burst(0),
    ]),
    [`${name}_count{${labels}}`, burst(step)],
  ]);

/** Adds the values of the same series up. */
const together = (...parts: readonly Readonly<Record<string, Values>>[]): Record<string, Values> => {
  const sum: Record<string, Values> = {};
  for (const part of parts) {
    for (const [name, values] of Object.entries(part)) {
      const known = sum[name];
      sum[name] = known === undefined ? values : values.map((value, i) => (value ?? 0) + (known[i] ?? 0));
    }
  }
  return sum;
};

const READ = 'service="gateway",instance="g:8080",method="GET",route="/v1/conversations",status="200"';
const SEND = 'service="gateway",instance="g:8080",method="POST",route="/v1/conversations/:conversationId/messages",status="201"';
const duration = 'http_request_duration_seconds';

/** Sends over hours, one value a minute: after an hour without any, `bad` of each hundred take longer than 200 ms until the minute `until`. */
const sendsOfHours = (bad: number, until: number, minutes: number): Record<string, Values> => {
  const all = rises(0, 100, minutes);
  const good = all.map((total, i) => total - bad * Math.max(0, Math.min(i + 1, until) - 60));
  return { [`${duration}_bucket{${SEND},le="0.2"}`]: good, [`${duration}_count{${SEND}}`]: all };
};

const PROCESS = 'service="gateway",instance="g:8080",job="parley"';

/** Every rule of apps/ops/src/alerts/rules.ts has its cases here; a test asks. */
export const alertCases: readonly AlertCase[] = [
  {
    rule: 'DBConnectionFailure',
    series: {
      'health_check_up{check="postgres",service="ops",instance="o"}': pulse(1, 0),
      'health_check_up{check="postgres",service="gateway",instance="g"}': pulse(1, 0),
      'health_check_up{check="redis",service="gateway",instance="g"}': steady(1),
    },
    ...PULSE,
    labels: {},
    summary: 'Postgres cannot be reached from 2 processes',
    nearMiss: {
      'health_check_up{check="postgres",service="ops",instance="o"}': steady(1),
      'health_check_up{check="redis",service="gateway",instance="g"}': pulse(1, 0),
    },
  },
  {
    rule: 'BrokerUnreachable',
    series: { 'health_check_up{check="rabbitmq",service="ops",instance="o"}': pulse(1, 0) },
    ...PULSE,
    labels: {},
    summary: 'RabbitMQ cannot be reached from 1 processes, or blocks them',
    nearMiss: { 'health_check_up{check="postgres",service="ops",instance="o"}': pulse(1, 0) },
  },
  gauge({
    rule: 'BrokerBlocked',
    series: `amqp_connection_blocked{${PROCESS}}`,
    calm: 0,
    alarming: 1,
    almost: 0,
    summary: 'RabbitMQ reads nothing that is published: a memory or disk alarm',
  }),
  {
    ...gauge({
      rule: 'PostgresBreakerOpen',
      series: `circuit_breaker_state{dependency="postgres",${PROCESS}}`,
      calm: 0,
      alarming: 1,
      almost: 0.5,
      labels: { dependency: 'postgres' },
      summary: 'The circuit breaker to Postgres is open in some process',
    }),
    // A trial of the half-open breaker is no end.
    series: { [`circuit_breaker_state{dependency="postgres",${PROCESS}}`]: [...stays(0, 7), ...stays(1, 38), 0.5, 0.5, ...stays(0, 40)] },
    nearMiss: {
      [`circuit_breaker_state{dependency="postgres",${PROCESS}}`]: pulse(0, 0.5),
      [`circuit_breaker_state{dependency="chroma",${PROCESS}}`]: pulse(0, 1),
    },
  },
  {
    ...gauge({
      rule: 'RabbitmqBreakerOpen',
      series: `circuit_breaker_state{dependency="rabbitmq",${PROCESS}}`,
      calm: 0,
      alarming: 1,
      almost: 0.5,
      labels: { dependency: 'rabbitmq' },
      summary: 'The circuit breaker to RabbitMQ is open in some process',
    }),
    nearMiss: {
      [`circuit_breaker_state{dependency="rabbitmq",${PROCESS}}`]: pulse(0, 0.5),
      [`circuit_breaker_state{dependency="postgres",${PROCESS}}`]: pulse(0, 1),
    },
  },
  {
    rule: 'ServiceDown',
    series: { 'up{job="parley",instance="gateway:8080"}': pulse(1, 0), 'up{job="parley",instance="ops:8080"}': steady(1) },
    ...PULSE,
    labels: { job: 'parley', instance: 'gateway:8080' },
    summary: 'gateway:8080 does not answer',
    // Down for one scrape only; a pod whose image takes almost five minutes; and the target of another team.
    nearMiss: {
      'up{job="parley",instance="gateway:8080"}': [...stays(1, 7), 0, ...stays(1, 79)],
      'up{job="parley",instance="10.0.0.9:9090"}': [...absent(29), ...stays(0, 20), ...stays(1, 38)],
      'up{job="node",instance="host:9100"}': pulse(1, 0),
    },
    onlyPrometheus: true,
  },
  {
    rule: 'ServiceDown',
    // It has never answered.
    series: { 'up{job="parley",instance="10.0.0.9:9090"}': [...absent(7), ...stays(0, 40), ...stays(1, 40)] },
    quietAt: 390,
    firingAt: 480,
    resolvedAt: 900,
    labels: { job: 'parley', instance: '10.0.0.9:9090' },
    summary: '10.0.0.9:9090 does not answer',
    nearMiss: { 'up{job="parley",instance="10.0.0.9:9090"}': [...absent(29), ...stays(0, 20), ...stays(1, 38)] },
    onlyPrometheus: true,
  },
  {
    rule: 'CrashLoop',
    series: { [`process_start_time_seconds{${PROCESS}}`]: [...stays(100, 8), 220, 220, 260, 260, 300, ...stays(300, 60)] },
    quietAt: 165,
    firingAt: 195,
    resolvedAt: 900,
    labels: { job: 'parley', instance: 'g:8080' },
    summary: 'g:8080 was started again 3 times within ten minutes',
    nearMiss: { [`process_start_time_seconds{${PROCESS}}`]: [...stays(100, 8), 220, 220, 260, ...stays(260, 60)] },
  },
  {
    rule: 'UncaughtErrors',
    series: { [`uncaught_errors_total{where="request",${PROCESS}}`]: [...stays(0, 20), ...stays(1, 60)] },
    quietAt: 270,
    firingAt: 330,
    resolvedAt: 750,
    labels: { service: 'gateway', where: 'request' },
    summary: 'A request of gateway ended in an error that no code expects',
    nearMiss: { [`uncaught_errors_total{where="request",${PROCESS}}`]: stays(7, 80) },
  },
  {
    rule: 'ProcessCrashed',
    // Time begins at 0: it ended at 615 s, and the next one is scraped soon after.
    series: { [`process_crash_timestamp_seconds{${PROCESS}}`]: [...stays(0, 41), null, ...stays(615, 60)] },
    quietAt: 600,
    firingAt: 900,
    resolvedAt: 930,
    labels: { service: 'gateway', instance: 'g:8080' },
    summary: 'A process of gateway ended by an error that no code expects (g:8080)',
    // Started again in order; what is five minutes old does not count.
    nearMiss: {
      [`process_crash_timestamp_seconds{${PROCESS}}`]: [...stays(0, 41), null, ...stays(0, 60)],
      'process_crash_timestamp_seconds{service="ops",instance="o"}': stays(299, 100),
    },
    onlyPrometheus: true,
  },
  {
    rule: 'Http5xxBurst',
    // 40 of 440 in 15 s: 9 %, 2.7 a second.
    series: {
      [`${duration}_count${HTTP('gateway', 'route="/v1/search",status="200"')}`]: burst(400),
      [`${duration}_count${HTTP('gateway', 'route="/v1/search",status="503"')}`]: burst(40),
    },
    ...BURST,
    labels: { service: 'gateway' },
    summary: 'More than 5 % of the requests to gateway fail',
    // 20 of 420 are 4.8 %; and all of the probes.
    nearMiss: {
      [`${duration}_count${HTTP('gateway', 'route="/v1/search",status="200"')}`]: burst(400),
      [`${duration}_count${HTTP('gateway', 'route="/v1/search",status="503"')}`]: burst(20),
      [`${duration}_count${HTTP('gateway', 'route="/readyz",status="503"')}`]: burst(400),
    },
  },
  {
    rule: 'PoolTimeouts',
    series: { [`db_pool_timeouts_total{lane="reads",${PROCESS}}`]: burst(18) },
    ...BURST,
    resolvedAt: 900,
    labels: { service: 'gateway', lane: 'reads' },
    summary: 'Calls of gateway find no connection to Postgres in time (lane reads)',
    nearMiss: { [`db_pool_timeouts_total{lane="reads",${PROCESS}}`]: burst(14) },
  },
  {
    rule: 'NoConsumers',
    series: {
      'queue_consumers{queue="scoring.logs",service="ops",instance="o"}': pulse(1, 0),
      'queue_length{queue="scoring.logs",service="ops",instance="o"}': steady(4),
      'consumer_paused{queue="scoring.logs",service="ops",instance="o"}': steady(0),
    },
    ...PULSE,
    labels: { queue: 'scoring.logs' },
    summary: 'scoring.logs has messages and no consumer',
    nearMiss: {
      'queue_consumers{queue="scoring.logs",service="ops",instance="o"}': pulse(1, 0),
      'queue_length{queue="scoring.logs",service="ops",instance="o"}': steady(0),
      // A paused consumer has cancelled its subscription.
      'queue_consumers{queue="embedding.messages",service="ops",instance="o"}': pulse(1, 0),
      'queue_length{queue="embedding.messages",service="ops",instance="o"}': steady(900),
      'consumer_paused{queue="embedding.messages",service="ops",instance="o"}': pulse(0, 1),
    },
  },
  {
    rule: 'MessageLossSuspected',
    series: { 'consistency_findings{kind="unindexed",service="ops",instance="o"}': [...stays(0, 7), ...stays(3, 120), ...stays(0, 40)] },
    quietAt: 1_200,
    firingAt: 1_500,
    resolvedAt: 2_000,
    labels: {},
    summary: 'Events of 3 messages are missing after two comparisons',
    // Repaired by the first comparison: 900 s later it is 0.
    nearMiss: { 'consistency_findings{kind="unindexed",service="ops",instance="o"}': [...stays(0, 7), ...stays(3, 61), ...stays(0, 100)] },
  },
  {
    rule: 'AckSloFastBurn',
    everySeconds: 60,
    series: sendsOfHours(15, 135, 180),
    quietAt: 55 * 60,
    firingAt: 130 * 60,
    resolvedAt: 142 * 60,
    labels: {},
    summary: 'More than 14 % of the sends of the last hour were slow or failed',
    nearMiss: sendsOfHours(14, 135, 180),
    onlyPrometheus: true,
  },
  {
    rule: 'LlmRateLimited',
    series: { [`llm_rate_limited_total{${PROCESS}}`]: burst(1) },
    ...BURST,
    labels: {},
    summary: 'The language model answers 429',
    nearMiss: { [`llm_rate_limited_total{${PROCESS}}`]: steady(12) },
  },
  {
    rule: 'LatencyP99High',
    // 2 % of the requests take between 5 and 10 s.
    series: together(requests(duration, READ, 98, '0.2'), requests(duration, READ, 2, '10')),
    ...BURST,
    labels: { service: 'gateway' },
    summary: 'One of a hundred requests to gateway takes longer than 5 s',
    nearMiss: together(requests(duration, READ, 98, '0.2'), requests(duration, READ, 2, '5')),
  },
  {
    rule: 'QueueBacklog',
    series: {
      'queue_length{queue="embedding.messages",service="ops",instance="o"}': pulse(10, 1_001),
      'queue_oldest_age_seconds{queue="embedding.messages",service="ops",instance="o"}': steady(20),
    },
    ...PULSE,
    labels: { queue: 'embedding.messages' },
    summary: 'embedding.messages is behind: more than 1,000 messages, or one older than five minutes',
    nearMiss: {
      'queue_length{queue="embedding.messages",service="ops",instance="o"}': pulse(10, 1_000),
      'queue_oldest_age_seconds{queue="embedding.messages",service="ops",instance="o"}': pulse(0, 300),
      'queue_length{queue="embedding.messages.dlq",service="ops",instance="o"}': pulse(0, 5_000),
    },
  },
  {
    rule: 'QueueBacklog',
    series: {
      'queue_length{queue="scoring.rescores",service="ops",instance="o"}': steady(3),
      'queue_oldest_age_seconds{queue="scoring.rescores",service="ops",instance="o"}': pulse(0, 301),
    },
    ...PULSE,
    labels: { queue: 'scoring.rescores' },
    summary: 'scoring.rescores is behind: more than 1,000 messages, or one older than five minutes',
    nearMiss: { 'queue_oldest_age_seconds{queue="scoring.rescores",service="ops",instance="o"}': pulse(0, 299) },
  },
  gauge({
    rule: 'PipelineFull',
    series: `pressure_ratio{source="outbox",${PROCESS}}`,
    calm: 0.2,
    alarming: 0.95,
    almost: 0.94,
    labels: { source: 'outbox' },
    summary: 'outbox: 95 % of what it may hold',
  }),
  gauge({
    rule: 'DeliveryLate',
    series: 'queue_oldest_age_seconds{queue="delivery.messages",service="ops",instance="o"}',
    calm: 0,
    alarming: 11,
    almost: 10,
    summary: 'Messages wait 11 s for their delivery',
  }),
  {
    ...gauge({
      rule: 'DeadLetters',
      series: 'queue_length{queue="delivery.push.dlq",service="ops",instance="o"}',
      calm: 0,
      alarming: 2,
      almost: 0,
      labels: { queue: 'delivery.push.dlq' },
      summary: '2 dead letters in delivery.push.dlq',
    }),
    // There from the first sample on: a rise would not be seen.
    series: { 'queue_length{queue="delivery.push.dlq",service="ops",instance="o"}': [...absent(7), ...stays(2, 40), ...stays(0, 40)] },
    nearMiss: { 'queue_length{queue="delivery.push",service="ops",instance="o"}': pulse(0, 2) },
  },
  {
    ...gauge({
      rule: 'DependencyBreakerOpen',
      series: `circuit_breaker_state{dependency="chroma",${PROCESS}}`,
      calm: 0,
      alarming: 1,
      almost: 0.5,
      labels: { dependency: 'chroma' },
      summary: 'The circuit breaker to chroma is open in some process',
    }),
    nearMiss: {
      [`circuit_breaker_state{dependency="chroma",${PROCESS}}`]: pulse(0, 0.5),
      [`circuit_breaker_state{dependency="googleChat",${PROCESS}}`]: pulse(0, 1),
      [`circuit_breaker_state{dependency="alertWebhook",${PROCESS}}`]: pulse(0, 1),
      [`circuit_breaker_state{dependency="postgres",${PROCESS}}`]: pulse(0, 1),
    },
  },
  gauge({
    rule: 'OutboxStuck',
    series: 'outbox_oldest_age_seconds{service="ops",instance="o"}',
    calm: 0,
    alarming: 61,
    almost: 60,
    summary: 'An event has waited for 61 s in the outbox',
  }),
  gauge({
    rule: 'OutboxParked',
    series: 'outbox_parked{service="ops",instance="o"}',
    calm: 0,
    alarming: 4,
    almost: 0,
    summary: '4 events were set aside because they cannot be published',
  }),
  gauge({
    rule: 'PublishingFails',
    series: `amqp_publish_failing{routing_key="message.created",${PROCESS}}`,
    calm: 0,
    alarming: 1,
    almost: 0,
    labels: { routing_key: 'message.created' },
    summary: 'RabbitMQ refuses message.created',
  }),
  gauge({
    rule: 'ConnectionBudgetExceeded',
    series: `connection_budget_ratio{${PROCESS}}`,
    calm: 0.5,
    alarming: 1.01,
    almost: 1,
    summary: 'The processes may open more connections than Postgres has',
  }),
  {
    rule: 'ConnectionsFail',
    series: { [`db_connect_failures_total{${PROCESS}}`]: burst(0.4) },
    ...BURST,
    labels: { service: 'gateway' },
    summary: 'gateway cannot make connections to Postgres',
    nearMiss: { [`db_connect_failures_total{${PROCESS}}`]: burst(0.2) },
  },
  {
    rule: 'AckSloSlowBurn',
    everySeconds: 60,
    series: sendsOfHours(7, 450, 540),
    quietAt: 55 * 60,
    firingAt: 440 * 60,
    resolvedAt: 490 * 60,
    labels: {},
    summary: 'More than 6 % of the sends of the last six hours were slow or failed',
    nearMiss: sendsOfHours(5.9, 450, 540),
    onlyPrometheus: true,
  },
  {
    rule: 'EmbeddingFailureSpike',
    // 1 of 4 calls fails, 20 in five minutes.
    series: {
      'dependency_call_duration_seconds_count{dependency="embedder",outcome="ok",service="embedding",instance="e"}': burst(3),
      'dependency_call_duration_seconds_count{dependency="embedder",outcome="timeout",service="embedding",instance="e"}': burst(1),
    },
    ...BURST,
    labels: {},
    summary: 'More than a fifth of the calls to the embedder fail',
    // 1 of 6; another dependency; and all of 8, which are too few.
    nearMiss: {
      'dependency_call_duration_seconds_count{dependency="embedder",outcome="ok",service="embedding",instance="e"}': burst(5),
      'dependency_call_duration_seconds_count{dependency="embedder",outcome="timeout",service="embedding",instance="e"}': burst(1),
      'dependency_call_duration_seconds_count{dependency="chroma",outcome="timeout",service="embedding",instance="e"}': burst(9),
    },
  },
  {
    ...gauge({
      rule: 'LiveSignalsLost',
      series: 'live_subscription_up{service="realtime",instance="r1"}',
      calm: 1,
      alarming: 0,
      almost: 1,
      labels: { service: 'realtime' },
      summary: 'realtime hears no signals from Redis',
    }),
    // Every process has the metric; only realtime subscribes.
    nearMiss: {
      'live_subscription_up{service="gateway",instance="g"}': steady(0),
      'live_subscription_up{service="realtime",instance="r1"}': steady(1),
    },
  },
  {
    rule: 'PushesFailing',
    series: { 'push_total{provider="fcm",outcome="away",service="delivery",instance="d"}': burst(1) },
    ...BURST,
    labels: { provider: 'fcm' },
    summary: 'Pushes over fcm fail',
    nearMiss: {
      'push_total{provider="fcm",outcome="away",service="delivery",instance="d"}': burst(0.45),
      'push_total{provider="fcm",outcome="sent",service="delivery",instance="d"}': burst(50),
    },
  },
  gauge({
    rule: 'SearchBehind',
    series: 'text_index_oldest_age_seconds{service="ops",instance="o"}',
    calm: 0,
    alarming: 61,
    almost: 60,
    summary: 'Search by words does not know messages of 61 s ago',
  }),
  {
    rule: 'VectorsOutOfStep',
    series: { 'consistency_findings{kind="orphan",service="ops",instance="o"}': [...stays(0, 7), ...stays(5, 120), ...stays(0, 40)] },
    quietAt: 1_200,
    firingAt: 1_500,
    resolvedAt: 2_000,
    labels: { kind: 'orphan' },
    summary: 'Messages and vectors differ after two comparisons: 5 orphan',
    nearMiss: { 'consistency_findings{kind="failed",service="ops",instance="o"}': [...stays(0, 7), ...stays(5, 160)] },
  },
  gauge({
    rule: 'NightTooShort',
    series: 'nightly_expected_seconds{service="ops",instance="o"}',
    calm: 600,
    alarming: 18_001,
    almost: 18_000,
    summary: 'Scoring every active user takes longer than five hours',
  }),
  {
    rule: 'NightMissed',
    everySeconds: 3_600,
    // Time begins at 0: the last run ended at 3,600 s, the next one at 29 h.
    series: { 'nightly_enqueued_timestamp_seconds{service="ops",instance="o"}': [...stays(3_600, 29), ...stays(29 * 3_600, 6)] },
    quietAt: 26 * 3_600,
    firingAt: 28 * 3_600,
    resolvedAt: 30 * 3_600,
    labels: {},
    summary: 'No nightly run has ended for 26 hours',
    // Never run: a Parley of today.
    nearMiss: { 'nightly_enqueued_timestamp_seconds{service="ops",instance="o"}': stays(0, 35) },
    onlyPrometheus: true,
  },
  {
    rule: 'ScoresDisagree',
    series: { 'score_disagreements{part="topics",service="ops",instance="o"}': [...stays(0, 7), ...stays(2, 160), ...stays(0, 40)] },
    quietAt: 1_800,
    firingAt: 2_100,
    resolvedAt: 2_600,
    labels: { part: 'topics' },
    summary: 'Scores of 2 users are not the sum of their topics',
    // Gone with the next round.
    nearMiss: { 'score_disagreements{part="topics",service="ops",instance="o"}': [...stays(0, 7), ...stays(2, 118), ...stays(0, 40)] },
  },
  gauge({
    rule: 'WorkOverdue',
    series: `work_overdue{${PROCESS}}`,
    calm: 0,
    alarming: 2,
    almost: 0,
    labels: { service: 'gateway' },
    summary: '2 handlers of gateway do not end',
  }),
  {
    rule: 'AlertsNotSent',
    series: { 'alerts_sent_total{severity="P0",outcome="failed",service="ops",instance="o"}': [...stays(0, 8), ...stays(1, 100)] },
    quietAt: 105,
    firingAt: 300,
    resolvedAt: 1_200,
    labels: {},
    summary: 'The built-in alerter could not send 1 notices',
    nearMiss: { 'alerts_sent_total{severity="P0",outcome="sent",service="ops",instance="o"}': burst(1) },
    onlyPrometheus: true,
  },
  {
    rule: 'FallbackTriggered',
    everySeconds: 60,
    // Its first one makes the series. Old ones do not count.
    series: {
      'fallback_total{dependency="chroma",operation="query",service="gateway",instance="g"}': [...absent(70), ...stays(1, 70)],
      'fallback_total{dependency="redis",operation="limit",service="gateway",instance="g"}': stays(40, 140),
    },
    quietAt: 3_900,
    firingAt: 4_300,
    resolvedAt: 7_920,
    labels: { dependency: 'chroma', operation: 'query' },
    summary: 'Answers were given without chroma (query)',
    nearMiss: { 'fallback_total{dependency="redis",operation="limit",service="gateway",instance="g"}': stays(40, 140) },
    onlyPrometheus: true,
  },
  {
    rule: 'LatencyP95High',
    // 10 % of the requests take between 2 and 5 s.
    series: together(requests(duration, READ, 90, '0.2'), requests(duration, READ, 10, '5')),
    ...BURST,
    labels: { service: 'gateway' },
    summary: 'One of twenty requests to gateway takes longer than 2 s',
    nearMiss: together(requests(duration, READ, 90, '0.2'), requests(duration, READ, 10, '2')),
  },
  {
    rule: 'SendsSlow',
    // 10 % of the sends take between 200 and 500 ms.
    series: together(requests(duration, SEND, 90, '0.2'), requests(duration, SEND, 10, '0.5')),
    ...BURST,
    labels: {},
    summary: 'One of twenty sends takes longer than 200 ms',
    nearMiss: together(requests(duration, SEND, 100, '0.2'), requests(duration, READ, 100, '0.5')),
  },
  gauge({
    rule: 'ErrorsMany',
    series: `error_rate{${PROCESS}}`,
    calm: 0,
    alarming: 0.011,
    almost: 0.01,
    labels: { service: 'gateway' },
    summary: 'More than 1 % of the requests to gateway fail',
  }),
  gauge({
    rule: 'PipelineFilling',
    series: `pressure_ratio{source="queues",${PROCESS}}`,
    calm: 0.2,
    alarming: 0.8,
    almost: 0.79,
    labels: { source: 'queues' },
    summary: 'queues: 80 % of what it may hold',
  }),
  {
    ...gauge({
      rule: 'MemoryHigh',
      series: `pressure_ratio{source="memory",${PROCESS}}`,
      calm: 0.2,
      alarming: 0.8,
      almost: 0.79,
      labels: { service: 'gateway' },
      summary: 'gateway uses 80 % of its memory',
    }),
    nearMiss: {
      [`pressure_ratio{source="memory",${PROCESS}}`]: pulse(0.2, 0.79),
      [`pressure_ratio{source="queues",${PROCESS}}`]: pulse(0.2, 0.9),
    },
  },
  gauge({
    rule: 'EventLoopLag',
    series: `nodejs_eventloop_lag_p99_seconds{${PROCESS}}`,
    calm: 0.01,
    alarming: 0.15,
    almost: 0.1,
    labels: { service: 'gateway' },
    summary: 'Timers of gateway run 150m s late',
  }),
  {
    rule: 'HandlesMany',
    series: { [`runtime_active_handles{${PROCESS}}`]: pulse(50, 10_102), [`ws_connections{${PROCESS}}`]: steady(100) },
    ...PULSE,
    labels: { service: 'gateway', instance: 'g:8080' },
    summary: 'gateway has more than 10,000 open handles beside its sockets',
    nearMiss: { [`runtime_active_handles{${PROCESS}}`]: pulse(50, 10_102), [`ws_connections{${PROCESS}}`]: pulse(0, 102) },
    onlyPrometheus: true,
  },
  {
    rule: 'SlowClients',
    series: { 'ws_slow_consumer_closed_total{service="realtime",instance="r1"}': burst(2) },
    ...BURST,
    labels: { service: 'realtime' },
    summary: 'Sockets are closed because their clients do not read',
    nearMiss: { 'ws_slow_consumer_closed_total{service="realtime",instance="r1"}': burst(0.9) },
  },
  gauge({
    rule: 'ConnectionBudgetHigh',
    series: `connection_budget_ratio{${PROCESS}}`,
    calm: 0.5,
    alarming: 0.81,
    almost: 0.8,
    summary: 'The processes may open more than 80 % of the connections of Postgres',
  }),
];
