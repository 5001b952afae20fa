/** How a panel shows what it asks for. */
export type PanelKind = 'lines' | 'number' | 'states';

/** One query of a panel. */
export interface PanelQuery {
  /** PromQL; `$__rate_interval` and `$__range` are Grafana's. */
  readonly expr: string;
  /** Name of its lines; `{{label}}` is filled in. */
  readonly legend: string;
}

/** One panel. */
export interface DashboardPanel {
  readonly title: string;
  /** What it tells, and when to worry. */
  readonly help: string;
  readonly kind: PanelKind;
  /** Unit of Grafana: `s`, `percentunit`, `reqps`, `short`, `bytes`. */
  readonly unit: string;
  readonly queries: readonly PanelQuery[];
  /** Values from which it is yellow, orange, red and dark red: the levels of pressure, where the metric is a share. */
  readonly thresholds?: readonly number[];
  /** What numbers of a states panel mean. */
  readonly states?: Readonly<Record<number, { readonly text: string; readonly colour: string }>>;
}

/** A row of panels about one question. */
export interface DashboardRow {
  readonly title: string;
  /** File name of its picture. */
  readonly name: string;
  readonly panels: readonly DashboardPanel[];
}

/** Warn, shed, critical, full: libs/resilience pressure.ts. */
const LEVELS = [0.8, 0.9, 0.95, 1] as const;
const SENDS = 'method="POST",route=~".*/messages"';
const CALLERS = 'route!~"/livez|/readyz|/metrics|/v1/health"';
const INTERVAL = '$__rate_interval';

const quantile = (q: number, metric: string, by = '', selector = '') =>
  `histogram_quantile(${q}, sum by (le${by === '' ? '' : `, ${by}`}) (rate(${metric}_bucket${selector === '' ? '' : `{${selector}}`}[${INTERVAL}])))`;
const percentiles = (metric: string, selector = ''): PanelQuery[] =>
  [0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q, metric, '', selector), legend: `P${q * 100}` }));
const rate = (metric: string, by: string, selector = '') =>
  `sum by (${by}) (rate(${metric}${selector === '' ? '' : `{${selector}}`}[${INTERVAL}]))`;
const sendMisses = (window: string) =>
  `(1 - sum(rate(http_request_duration_seconds_bucket{${SENDS},le="0.2",status!~"5.."}[${window}])) / sum(rate(http_request_duration_seconds_count{${SENDS}}[${window}]))) / 0.01`;

const BREAKER_STATES = {
  0: { text: 'closed', colour: 'green' },
  0.5: { text: 'half-open', colour: 'yellow' },
  1: { text: 'open', colour: 'red' },
} as const;

/** The dashboard: one row per question, in the order in which an operator asks them. */
export const dashboardRows: readonly DashboardRow[] = [
  {
    title: 'Objective: sends are acknowledged within 200 ms',
    name: 'objective',
    panels: [
      {
        title: 'Time to acknowledge a send',
        help: 'Of sends over HTTP. The objective: 99 % within 200 ms.',
        kind: 'lines',
        unit: 's',
        queries: percentiles('http_request_duration_seconds', SENDS),
        thresholds: [0.2],
      },
      {
        title: 'Availability',
        help: 'Share of requests of callers that did not end with 5xx.',
        kind: 'lines',
        unit: 'percentunit',
        queries: [
          {
            expr: `1 - (sum(rate(http_request_duration_seconds_count{${CALLERS},status=~"5.."}[${INTERVAL}])) or vector(0)) / sum(rate(http_request_duration_seconds_count{${CALLERS}}[${INTERVAL}]))`,
            legend: 'answered',
          },
        ],
      },
      {
        title: 'Burn rate of the error budget',
        help: '1 uses up the budget of a month in a month. An alert of P0 at 14.4 over 5 minutes and an hour, of P1 at 6 over 30 minutes and 6 hours.',
        kind: 'lines',
        unit: 'short',
        queries: ['5m', '1h'].map((window) => ({ expr: sendMisses(window), legend: window })),
        thresholds: [6, 14.4],
      },
      {
        title: 'Answers 504',
        help: 'None is allowed: every answer has a deadline of its own.',
        kind: 'number',
        unit: 'short',
        queries: [{ expr: 'sum(increase(http_request_duration_seconds_count{status="504"}[$__range])) or vector(0)', legend: '504' }],
        thresholds: [1],
      },
    ],
  },
  {
    title: 'Traffic',
    name: 'traffic',
    panels: [
      {
        title: 'Requests by route',
        help: 'Answered requests per second.',
        kind: 'lines',
        unit: 'reqps',
        queries: [{ expr: rate('http_request_duration_seconds_count', 'method, route', CALLERS), legend: '{{method}} {{route}}' }],
      },
      {
        title: 'Requests being answered',
        help: 'Beyond HTTP_MAX_CONCURRENT (1,000 per process) requests are refused with 503.',
        kind: 'lines',
        unit: 'short',
        queries: [{ expr: 'sum by (service) (http_concurrent_requests)', legend: '{{service}}' }],
      },
      {
        title: 'Refused',
        help: '429 by the limit that a caller met, 503 by what was full, connections by whose limit.',
        kind: 'lines',
        unit: 'reqps',
        queries: [
          { expr: rate('rate_limited_total', 'scope'), legend: '429 {{scope}}' },
          { expr: rate('load_shed_total', 'reason'), legend: '503 {{reason}}' },
          { expr: rate('http_connections_refused_total', 'scope'), legend: 'connections {{scope}}' },
        ],
      },
      {
        title: 'Errors',
        help: 'Share of requests answered with 5xx over the last minute, and errors that no code expects.',
        kind: 'lines',
        unit: 'short',
        queries: [
          { expr: 'max by (service) (error_rate)', legend: '5xx {{service}}' },
          { expr: rate('uncaught_errors_total', 'service'), legend: 'uncaught {{service}}' },
        ],
      },
    ],
  },
  {
    title: 'Queues',
    name: 'queues',
    panels: [
      {
        title: 'Fill of queues, outbox and memory',
        help: 'Share of what each may hold: from 80 % a warning, from 90 % requests of low priority are refused, from 95 % of normal, at 100 % all.',
        kind: 'lines',
        unit: 'percentunit',
        queries: [{ expr: 'max by (source) (pressure_ratio)', legend: '{{source}}' }],
        thresholds: LEVELS,
      },
      {
        title: 'Messages that wait',
        help: 'By queue, dead letters apart.',
        kind: 'lines',
        unit: 'short',
        queries: [
          { expr: 'max by (queue) (queue_length{queue!~".+[.]dlq"})', legend: '{{queue}}' },
          { expr: 'max(outbox_pending)', legend: 'outbox' },
        ],
      },
      {
        title: 'Oldest message',
        help: 'Of each queue and of the outbox. More than five minutes is a backlog.',
        kind: 'lines',
        unit: 's',
        queries: [
          { expr: 'max by (queue) (queue_oldest_age_seconds)', legend: '{{queue}}' },
          { expr: 'max(outbox_oldest_age_seconds)', legend: 'outbox' },
        ],
        thresholds: [60, 300],
      },
      {
        title: 'In: published',
        help: 'By routing key and outcome.',
        kind: 'lines',
        unit: 'ops',
        queries: [{ expr: rate('amqp_publish_duration_seconds_count', 'routing_key, outcome'), legend: '{{routing_key}} {{outcome}}' }],
      },
      {
        title: 'Out: handled',
        help: 'By queue and outcome; retry and hold are what comes again.',
        kind: 'lines',
        unit: 'ops',
        queries: [{ expr: rate('event_attempts_total', 'queue, outcome'), legend: '{{queue}} {{outcome}}' }],
      },
      {
        title: 'Dead letters',
        help: 'Waiting in each dead-letter queue. Any is a task.',
        kind: 'lines',
        unit: 'short',
        queries: [{ expr: 'max by (queue) (queue_length{queue=~".+[.]dlq"})', legend: '{{queue}}' }],
        thresholds: [1],
      },
    ],
  },
  {
    title: 'Dependencies',
    name: 'dependencies',
    panels: [
      {
        title: 'Circuit breakers',
        help: 'The worst of all processes. An open one answers at once instead of waiting.',
        kind: 'states',
        unit: 'short',
        queries: [{ expr: 'max by (dependency) (circuit_breaker_state)', legend: '{{dependency}}' }],
        states: BREAKER_STATES,
      },
      {
        title: 'Time of a call, P95',
        help: 'One attempt, by dependency. The line is what a statement of Postgres may take (3 s).',
        kind: 'lines',
        unit: 's',
        queries: [{ expr: quantile(0.95, 'dependency_call_duration_seconds', 'dependency'), legend: '{{dependency}}' }],
        thresholds: [3],
      },
      {
        title: 'Answers without a failed part',
        help: 'Fallbacks per second.',
        kind: 'lines',
        unit: 'ops',
        queries: [{ expr: rate('fallback_total', 'dependency, operation'), legend: '{{dependency}} {{operation}}' }],
      },
      {
        title: 'Events tried again',
        help: 'Share of handled events. Above a tenth retries are load.',
        kind: 'lines',
        unit: 'percentunit',
        queries: [
          {
            expr: `(sum by (queue) (rate(event_attempts_total{outcome="retry"}[${INTERVAL}])) or sum by (queue) (rate(event_attempts_total[${INTERVAL}])) * 0) / sum by (queue) (rate(event_attempts_total[${INTERVAL}]))`,
            legend: '{{queue}}',
          },
        ],
        thresholds: [0.1],
      },
    ],
  },
  {
    title: 'Postgres',
    name: 'postgres',
    panels: [
      {
        title: 'Connections',
        help: 'In use and idle, over all processes and lanes.',
        kind: 'lines',
        unit: 'short',
        queries: [
          { expr: 'sum by (state) (db_conn_usage)', legend: '{{state}}' },
          { expr: 'sum(worker_pool_queued{pool=~"postgres.+"})', legend: 'waiting calls' },
        ],
      },
      {
        title: 'Wait for a connection, P95',
        help: 'By lane. Above 50 ms with an idle CPU the pool is too small, or transactions are too long.',
        kind: 'lines',
        unit: 's',
        queries: [{ expr: quantile(0.95, 'db_pool_wait_seconds', 'lane'), legend: '{{lane}}' }],
        thresholds: [0.05],
      },
      {
        title: 'Connection budget',
        help: 'What all processes may open, as a share of what Postgres has.',
        kind: 'number',
        unit: 'percentunit',
        queries: [{ expr: 'max(connection_budget_ratio)', legend: 'budget' }],
        thresholds: LEVELS,
      },
      {
        title: 'Connections not had',
        help: 'Calls without a connection in time, connections that could not be made, statements slower than DB_SLOW_QUERY_MS.',
        kind: 'lines',
        unit: 'ops',
        queries: [
          { expr: rate('db_pool_timeouts_total', 'lane'), legend: 'timeout {{lane}}' },
          { expr: rate('db_connect_failures_total', 'service'), legend: 'not made {{service}}' },
          { expr: rate('db_slow_queries_total', 'lane'), legend: 'slow {{lane}}' },
        ],
      },
    ],
  },
  {
    title: 'Realtime',
    name: 'realtime',
    panels: [
      {
        title: 'Sockets',
        help: 'Open WebSockets of each process; 20,000 are its limit unless set.',
        kind: 'lines',
        unit: 'short',
        queries: [{ expr: 'sum by (instance) (ws_connections)', legend: '{{instance}}' }],
      },
      {
        title: 'Commit to the last socket',
        help: 'Of the members on one process.',
        kind: 'lines',
        unit: 's',
        queries: percentiles('time_to_delivered_seconds'),
      },
      {
        title: 'Fed from Postgres',
        help: 'Messages that signals left out and were read, and processes without signals.',
        kind: 'lines',
        unit: 'short',
        queries: [
          { expr: rate('live_gaps_total', 'service'), legend: 'gaps/s' },
          { expr: 'count(live_subscription_up == 0) or vector(0)', legend: 'processes without signals' },
        ],
      },
      {
        title: 'Resumed',
        help: 'Share of resume points from which everything was given.',
        kind: 'lines',
        unit: 'percentunit',
        queries: [
          {
            expr: `sum by (outcome) (rate(ws_resume_total[${INTERVAL}])) / ignoring(outcome) group_left sum(rate(ws_resume_total[${INTERVAL}]))`,
            legend: '{{outcome}}',
          },
        ],
      },
      {
        title: 'Sockets that ended',
        help: 'By close code: 4008 did not read, 4012 did not answer a ping, 4013 beyond a limit.',
        kind: 'lines',
        unit: 'ops',
        queries: [{ expr: rate('ws_closed_total', 'code'), legend: '{{code}}' }],
      },
      {
        title: 'Frames',
        help: 'In and out by type.',
        kind: 'lines',
        unit: 'ops',
        queries: [{ expr: rate('ws_frames_total', 'direction, type'), legend: '{{direction}} {{type}}' }],
      },
    ],
  },
  {
    title: 'Models and vectors',
    name: 'models',
    panels: [
      {
        title: 'Language model, P95',
        help: 'One attempt. 15 s are its limit.',
        kind: 'lines',
        unit: 's',
        queries: [{ expr: quantile(0.95, 'dependency_call_duration_seconds', 'operation', 'dependency="llm"'), legend: '{{operation}}' }],
        thresholds: [15],
      },
      {
        title: 'Tokens',
        help: 'Given and written per second, what a provider charges for.',
        kind: 'lines',
        unit: 'short',
        queries: [{ expr: rate('llm_tokens_total', 'direction'), legend: '{{direction}}' }],
      },
      {
        title: 'Budget of the language model',
        help: 'Requests per minute that are allowed now, answers 429, and analyses that found no budget.',
        kind: 'lines',
        unit: 'short',
        queries: [
          { expr: 'min(llm_requests_per_minute)', legend: 'allowed/min' },
          { expr: rate('llm_rate_limited_total', 'service'), legend: '429/s' },
          { expr: rate('llm_budget_refused_total', 'scope'), legend: 'no budget/s {{scope}}' },
        ],
      },
      {
        title: 'Embedder, P95',
        help: 'One call.',
        kind: 'lines',
        unit: 's',
        queries: [{ expr: quantile(0.95, 'embedding_latency_seconds', 'provider'), legend: '{{provider}}' }],
      },
      {
        title: 'Chroma, P95',
        help: 'One query, one upsert of at most 100 vectors.',
        kind: 'lines',
        unit: 's',
        queries: [
          { expr: quantile(0.95, 'vector_query_time_seconds'), legend: 'query' },
          { expr: quantile(0.95, 'vector_upsert_duration_seconds'), legend: 'upsert' },
        ],
      },
      {
        title: 'Commit to searchable',
        help: 'By vector, and the age of the oldest text that search does not know yet.',
        kind: 'lines',
        unit: 's',
        queries: [...percentiles('time_to_searchable_seconds'), { expr: 'max(text_index_oldest_age_seconds)', legend: 'oldest text' }],
        thresholds: [2],
      },
    ],
  },
  {
    title: 'Node',
    name: 'node',
    panels: [
      {
        title: 'Event loop',
        help: 'Busy share of the busiest worker. From 70 % on answers are late.',
        kind: 'lines',
        unit: 'percentunit',
        queries: [{ expr: 'max by (service) (nodejs_eventloop_utilization)', legend: '{{service}}' }],
        thresholds: [0.7, ...LEVELS],
      },
      {
        title: 'Event loop lag, P99',
        help: 'How late timers run. Above 100 ms with an idle loop one call blocks it.',
        kind: 'lines',
        unit: 's',
        queries: [{ expr: 'max by (service) (nodejs_eventloop_lag_p99_seconds)', legend: '{{service}}' }],
        thresholds: [0.1],
      },
      {
        title: 'CPU',
        help: 'Share of the cores that each service may use.',
        kind: 'lines',
        unit: 'percentunit',
        queries: [
          {
            expr: `sum by (service) (rate(process_cpu_seconds_total[${INTERVAL}])) / sum by (service) (process_cpu_limit_cores)`,
            legend: '{{service}}',
          },
        ],
        thresholds: LEVELS,
      },
      {
        title: 'Memory',
        help: 'Resident, as a share of what each process may have.',
        kind: 'lines',
        unit: 'percentunit',
        queries: [
          {
            expr: 'max by (service) (process_resident_memory_bytes / on (instance, service) group_left max by (instance, service) (process_memory_limit_bytes))',
            legend: '{{service}}',
          },
        ],
        thresholds: LEVELS,
      },
      {
        title: 'Heap and resident memory',
        help: 'In use after whatever was collected.',
        kind: 'lines',
        unit: 'bytes',
        queries: [
          { expr: 'max by (service) (nodejs_heap_size_used_bytes)', legend: 'heap {{service}}' },
          { expr: 'max by (service) (process_resident_memory_bytes)', legend: 'resident {{service}}' },
        ],
      },
      {
        title: 'Garbage collection and throttling',
        help: 'Share of the time that the collector took, and that a CPU limit held a pod back.',
        kind: 'lines',
        unit: 'percentunit',
        queries: [
          { expr: rate('nodejs_gc_duration_seconds_sum', 'service'), legend: 'collector {{service}}' },
          { expr: rate('process_cpu_throttled_seconds_total', 'service'), legend: 'throttled {{service}}' },
        ],
      },
    ],
  },
  {
    title: 'Scaling advice',
    name: 'advice',
    panels: [
      {
        title: 'What to do',
        help: 'What the advisor says now: docs/operate/scaling.md. Ask why with `npm run parley -- advise`.',
        kind: 'states',
        unit: 'short',
        queries: [{ expr: 'max by (service, action) (scaling_recommendation{action!="none"})', legend: '{{service}}: {{action}}' }],
        states: { 0: { text: '-', colour: 'gray' }, 1: { text: 'advised', colour: 'orange' } },
      },
      {
        title: 'Pods and workers',
        help: 'Processes that answer, and workers behind one port where there are several.',
        kind: 'lines',
        unit: 'short',
        queries: [
          { expr: 'count by (service) (build_info)', legend: 'pods {{service}}' },
          { expr: 'sum by (service) (worker_processes{state="running"})', legend: 'workers {{service}}' },
        ],
      },
      {
        title: 'Cores that event loops fill',
        help: 'Added up over all workers of a service: half a worker for each is the goal.',
        kind: 'lines',
        unit: 'short',
        queries: [{ expr: rate('nodejs_eventloop_active_seconds_total', 'service'), legend: '{{service}}' }],
      },
      {
        title: 'Connections that may be opened',
        help: 'DB_POOL_SIZE of all processes; with surge they must stay below 80 % of max_connections - 10.',
        kind: 'lines',
        unit: 'short',
        queries: [{ expr: 'sum by (service) (db_pool_size)', legend: '{{service}}' }],
      },
    ],
  },
];
