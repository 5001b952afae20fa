import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { parseHeaderList } from './header-list.js';
import { isServiceAccount } from './service-account.js';
import { weaknessOf } from './weak-secret.js';

/** Exit code for a configuration that cannot work (sysexits EX_CONFIG). */
export const EXIT_CONFIG = 78;

const url = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (value) => URL.canParse(value) && protocols.includes(new URL(value).protocol),
      `must be a URL starting with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    );
const objectStoreUrl = url('file:', 's3:').refine((value) => {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, pathname, searchParams } = new URL(value);
  if (protocol === 'file:') return hostname === '' && pathname.length > 1;
  const endpoint = searchParams.get('endpoint');
  return hostname !== '' && (endpoint === null || /^https?:\/\//.test(endpoint));
}, 'must name a folder (file:///folder) or a bucket (s3://bucket)');
const jwtSecret = z.string().superRefine((value, context) => {
  const weakness = Buffer.byteLength(value) < 32 ? 'must have at least 32 bytes' : weaknessOf(value);
  if (weakness !== undefined) context.addIssue({ code: 'custom', message: weakness });
});
/** As browsers send it: scheme, host and a port that is not the usual one, nothing more. */
const isOrigin = (value: string): boolean =>
  value === '*' || (!value.includes('*') && URL.canParse(value) && new URL(value).origin === value);
const isMetricsTarget = (value: string): boolean => {
  const address = value.replace(/^dns\+/, '');
  return URL.canParse(address) && ['http:', 'https:'].includes(new URL(address).protocol);
};
/** As RFC 8414 has it; plain http only on this machine. */
const isIssuer = (value: string): boolean => URL.canParse(value) && isPrivateOrTls(new URL(value));
const isTimeZone = (name: string): boolean => {
  try {
    return Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
};
const count = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
/** Values that are separated by commas; empty = none. */
const list = z
  .string()
  .default('')
  .transform((values) =>
    values
      .split(',')
      .map((value) => value.trim())
      .filter((value) => value !== ''),
  );
const milliseconds = (max: number) => count(1, max);

/** Whether no one in between can change what it answers: https, or this machine. */
const isPrivateOrTls = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');

/** One environment variable: how it is read, when one would change it, and whether it is hidden when printed. */
interface Setting<Schema extends z.ZodType = z.ZodType> {
  readonly schema: Schema;
  readonly doc: string;
  /** `whole`: also the parts of a URL that others may show. */
  readonly secret?: true | 'whole';
}
const setting = <Schema extends z.ZodType>(schema: Schema, doc: string): Setting<Schema> => ({ schema, doc });
const secret = <Schema extends z.ZodType>(schema: Schema, doc: string): Setting<Schema> => ({ schema, doc, secret: true });

/** A URL whose path or parameters let anyone in who knows it. */
const secretUrl = <Schema extends z.ZodType>(schema: Schema, doc: string): Setting<Schema> => ({ schema, doc, secret: 'whole' });

/**
 * Every environment variable that Parley's services read: the single source for parsing, `.env.example`, `docs/reference/configuration.md`
 * and `npm run parley -- config`. Secrets may also be given as `<NAME>_FILE` with a path.
 */
export const settings = {
  PORT: setting(count(0, 65_535).default(8080), 'HTTP port of the process (0 = any free one). `npm start` sets it per service.'),
  REALTIME_PORT: setting(
    count(0, 65_535).optional(),
    'For the embedded mode, which is all apps in one process: the port of the WebSockets. Without it PORT + 1.',
  ),
  HOST: setting(z.string().default('0.0.0.0'), 'Address to listen on. 127.0.0.1 keeps a process private to its machine.'),
  OPERATIONS_PORT: setting(
    count(1, 65_535).optional(),
    'A port of its own for `/livez`, `/readyz` and `/metrics`, open before PORT and for as long as the process runs, its drain included. PORT serves them as well. Set it where probes and Prometheus must not share a port with callers; the Helm charts do.',
  ),
  LOG_LEVEL: setting(
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
    'Lower it to debug one process; info is one line per unit of work.',
  ),
  WEB_CONCURRENCY: setting(
    count(1, 64).default(1),
    'Gateway processes per pod; each has its own pools, so the connection budget multiplies (R057). 4-8 is the sweet spot (R045).',
  ),
  WATCHDOG_HANG_MS: setting(
    count(0, 600_000).default(20_000),
    'A process whose event loop does not turn for this long, or in which a pool gives nothing back for three times as long, logs what it has in hand and ends with exit code 70 (by SIGALRM when it sits in native code), to be started again (R063). 0 = off, for debugging.',
  ),
  MEMORY_LIMIT_BYTES: setting(
    count(67_108_864, 1_099_511_627_776).optional(),
    'Memory of the pod; its workers share it. At 80 % caches are emptied, at 90 % large bodies refused (R105). Without it the limit of the cgroup counts.',
  ),

  METRICS_TARGETS: setting(
    list.refine(
      (targets) => targets.every(isMetricsTarget),
      'must be URLs that begin with http://, https:// or dns+http://, separated by commas',
    ),
    'For `ops`: where the processes of Parley show their metrics, separated by commas, e.g. http://127.0.0.1:8080/metrics. `dns+http://name:9090/metrics` is looked up each time and means every address behind the name, such as the pods of a headless Service. Alerts and scaling advice know what they find there; empty = only of ops itself. `npm start` sets it.',
  ),
  ADVICE_WINDOW_MS: setting(
    count(10_000, 300_000).default(60_000),
    'For `ops`: the window that scaling advice is derived from; two in a row must agree. Shorter follows bursts, longer is slower and calmer.',
  ),

  DATABASE_URL: secret(url('postgres:', 'postgresql:'), 'Postgres: has all data. Required.'),
  DB_ROLE_PASSWORDS: secret(
    z
      .string()
      .regex(
        /^[a-z]+=[^,=\s]{16,}(,[a-z]+=[^,=\s]{16,})*$/,
        'must be like gateway=<password>,ops=<password>, each of at least 16 characters',
      )
      .optional(),
    'For `ops migrate` only: makes a Postgres role for each service (`parley_<service>`, and `parley_cli` for operators) that may do what it needs and nothing else; DATABASE_URL is then the role that owns the tables. Without it all services share the role of DATABASE_URL, unless such roles exist.',
  ),
  DB_POOL_SIZE: setting(
    count(6, 200).default(10),
    'Connections of one process in all, shared out over its lanes (sends, reads, edits, relay, health). Below 6 no second connection is left for sends, and one conversation that is held would fail the others. Raise it when db_pool_wait_seconds rises and Postgres is idle (R017, R059).',
  ),
  DB_POOL_TIMEOUT_MS: setting(
    milliseconds(10_000).default(1_000),
    'Longest wait for a connection before the caller gets 503; also the connect timeout (R068).',
  ),
  DB_STATEMENT_TIMEOUT_MS: setting(
    milliseconds(10_000).default(3_000),
    'Postgres ends a statement after this; the client gives up 500 ms later (R084 ceiling 10 s).',
  ),
  DB_SLOW_QUERY_MS: setting(milliseconds(60_000).default(100), 'Statements slower than this are logged and counted (R049).'),
  DB_POOL_BUDGET_PROCESSES: setting(
    count(1, 10_000).default(8),
    'How many Parley processes share this Postgres, a gateway pod counted as one: processes x DB_POOL_SIZE must fit into max_connections (R057). The default: one of each app, and two more while a rollout replaces them.',
  ),
  DB_POOL_BUDGET_GATEWAYS: setting(
    count(1, 1_000).default(1),
    'How many of those are gateway pods, surge included: each has WEB_CONCURRENCY processes, and the budget counts them all.',
  ),

  RABBITMQ_URL: secret(url('amqp:', 'amqps:'), 'RabbitMQ: carries every event. Required.'),
  RABBITMQ_MANAGEMENT_URL: secret(
    url('http:', 'https:').optional(),
    'Management API of that RabbitMQ, with user and password; lets operators see unacknowledged counts. Without it they are unknown (null).',
  ),
  BUS_BUFFER_SIZE: setting(
    count(1, 1_000_000).default(1_000),
    'Events that one topic of the memory bus holds before publishing blocks (R097).',
  ),
  BUS_PUBLISH_TIMEOUT_MS: setting(milliseconds(60_000).default(5_000), 'Longest wait for a publisher confirm (R097).'),
  BUS_CONFIRM_WINDOW: setting(count(1, 2_000).default(256), 'Unconfirmed publishes per channel; above 500 only latency grows.'),
  BUS_HEARTBEAT_S: setting(count(2, 60).default(5), 'AMQP heartbeat in seconds; a dead broker is noticed after at most three of them.'),
  BUS_DRAIN_MS: setting(milliseconds(600_000).default(35_000), 'Time that handlers get to finish when the process stops.'),
  OUTBOX_SWEEP_MS: setting(
    milliseconds(60_000).default(1_000),
    'How often the outbox is swept for entries that the fast path left behind.',
  ),
  OUTBOX_GRACE_MS: setting(
    milliseconds(600_000).default(5_000),
    'Age at which the sweep takes an entry; younger ones belong to the fast path of the process that wrote them.',
  ),
  OUTBOX_MAX_PENDING: setting(
    count(1_000, 1_000_000_000).default(1_000_000),
    'Events that may wait for RabbitMQ. At 90 % of it writes of low priority get 503, at 100 % all that make events: what the disk of Postgres can spare, about 2 KB each.',
  ),
  OUTBOX_MAX_AGE_S: setting(
    count(60, 31_536_000).default(86_400),
    'How old the oldest waiting event may become, in seconds, with the same ladder. An outage of RabbitMQ shorter than 90 % of it refuses no request.',
  ),

  FCM_SERVICE_ACCOUNT: secret(
    z.string().refine(isServiceAccount, 'must be the JSON of a service account with project_id, client_email and private_key').optional(),
    'Key of a service account that may send with Firebase Cloud Messaging, as JSON (best as FCM_SERVICE_ACCOUNT_FILE). Without it pushes to devices of `fcm` are not sent.',
  ),
  FCM_URL: setting(
    url('http:', 'https:').default('https://fcm.googleapis.com'),
    'Firebase Cloud Messaging, HTTP v1. Change it for a proxy or a test.',
  ),
  ONESIGNAL_APP_ID: setting(z.uuid().optional(), 'App of OneSignal. Without it pushes to devices of `onesignal` are not sent.'),
  ONESIGNAL_API_KEY: secret(z.string().min(1).optional(), 'App API key of that app.'),
  ONESIGNAL_URL: setting(
    url('http:', 'https:').default('https://api.onesignal.com'),
    'REST API of OneSignal. Change it for a proxy or a test.',
  ),
  PUSH_CONTENT: setting(
    z.enum(['full', 'none']).default('full'),
    'full: a push shows the beginning of the message and its conversation or sender. none: only that there is a new message, so that neither the provider nor a locked screen sees text.',
  ),

  REDIS_URL: secret(url('redis:', 'rediss:').optional(), 'Redis: shared limits and fan-out. Without it Parley runs as a single node.'),
  CHROMA_URL: setting(url('http:', 'https:'), 'Chroma: the vectors. Required.'),
  CHROMA_TOKEN: secret(
    z.string().min(1).optional(),
    'Sent to Chroma as `Authorization: Bearer` and `x-chroma-token`. For Chroma Cloud or a proxy that checks it: a Chroma 1.x server does not.',
  ),
  CONSISTENCY_EVERY_MS: setting(
    count(1_000, 2_147_483_647).default(900_000),
    'Pause between two comparisons of messages and vectors. Raise it when a comparison takes longer than you like.',
  ),
  NIGHTLY_AT: setting(
    z
      .string()
      .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be HH:MM, from 00:00 to 23:59')
      .default('03:00'),
    'Local time at which every active user is scored again (R080). Choose an hour in which few write.',
  ),
  NIGHTLY_TIME_ZONE: setting(
    z.string().refine(isTimeZone, 'must be a time zone of the IANA database, such as Asia/Ho_Chi_Minh').default('UTC'),
    'Time zone of NIGHTLY_AT. Change it to that of most users.',
  ),
  NIGHTLY_WINDOW_HOURS: setting(
    count(1, 23).default(5),
    'How long nightly scoring may take: `ops` logs an error when the budget of the model makes it longer, and a missed night is made up for within this time.',
  ),
  CONSISTENCY_GRACE_MS: setting(
    count(0, 86_400_000).default(60_000),
    'A message that is younger is not compared: its vectors may be on their way. Longer than all attempts of an event take.',
  ),

  OBJECT_STORE_URL: setting(
    objectStoreUrl.optional(),
    'Keeps the logs of ended conversations: `file:///folder` (one that all processes see), or `s3://bucket/prefix?region=…&endpoint=…` (the endpoint for a store that is not AWS). Without it they stay in Postgres.',
  ),
  S3_ACCESS_KEY_ID: setting(
    z.string().min(1).optional(),
    'Access key for an `s3:` object store. Without it the SDK looks for the role of the machine.',
  ),
  S3_SECRET_ACCESS_KEY: secret(z.string().min(1).optional(), 'Its secret.'),

  AUTH_JWT_SECRET: secret(
    jwtSecret.optional(),
    'HS256 key, at least 32 random bytes (`openssl rand -base64 48`). Either this or AUTH_JWKS_URL is required by gateway and realtime.',
  ),
  AUTH_JWKS_URL: setting(
    url('http:', 'https:')
      .refine((value) => !URL.canParse(value) || isPrivateOrTls(new URL(value)), 'must be https:// unless it is on this machine')
      .optional(),
    'Key set of your identity provider for RS256, ES256 or EdDSA tokens. Over plain http only from this machine: the keys decide which tokens are believed.',
  ),
  AUTH_TOKEN_MAX_LIFE_S: setting(
    count(60, 315_360_000).default(2_592_000),
    'A token that ends later than this many seconds from now is refused: a token that was stolen cannot be withdrawn, it can only end.',
  ),
  AUTH_AUDIENCE: setting(z.string().min(1).default('parley'), 'The `aud` that tokens must have.'),

  RATE_LIMIT_PER_USER: setting(
    z.coerce.number().min(0).max(100_000).default(5),
    'Requests per second and user, burst twice that (R020). 0 = off, and with it every other limit per user that is not set.',
  ),
  RATE_LIMIT_GLOBAL: setting(
    z.coerce.number().min(0).max(1_000_000).default(20_000),
    'Requests per second over all users and processes; 0 = off (R013).',
  ),
  DAILY_CONVERSATIONS_PER_USER: setting(
    count(0, 1_000_000).optional(),
    'Conversations that one user may start on one day (UTC); then 429. 1,000 unless set. Raise it where one service starts them for all; 0 = no limit.',
  ),
  DAILY_ADDITIONS_PER_USER: setting(
    count(0, 10_000_000).optional(),
    'Others whom one user may make members on one day (UTC), at the start of a conversation or later; then 429. 10,000 unless set; 0 = no limit.',
  ),
  RATE_LIMIT_BYTES_PER_USER: setting(
    count(0, 1_000_000_000).optional(),
    'Bytes of answers per second, user and process, burst ten times that; beyond it 429. 2,000,000 unless set: two whole pages of the longest messages each second. Raise it for callers that export; 0 = off.',
  ),
  RATE_LIMIT_BODY_BYTES_PER_USER: setting(
    count(0, 1_000_000_000).optional(),
    'Bytes of large bodies (logs, documents) and of calls of agents (`/mcp`) per second, user and process, burst ten times that; beyond it 429. 1,000,000 unless set: one of 10 MB at once, and the next ten seconds later. Raise it for a service that uploads for many; 0 = off.',
  ),
  HTTP_MAX_CONCURRENT: setting(count(1, 100_000).default(1_000), 'Requests in flight per process before 503 `overloaded` (R100).'),
  HTTP_MAX_CONCURRENT_PER_USER: setting(
    count(0, 100_000).optional(),
    'How many of those one user may have before 429. 50 unless set: ten times what a burst of its quota needs, a twentieth of all. Raise it for service users that send for many; 0 = no limit.',
  ),
  HTTP_MAX_RECEIVING_PER_ADDRESS: setting(
    count(0, 100_000).default(200),
    'Requests of one remote address whose body is still arriving, per process; beyond it the one that has taken longest, and more than a second, gets 429. Raise it behind a proxy that passes bodies on before they are whole. 0 = no limit.',
  ),
  HTTP_MAX_CONNECTIONS: setting(
    count(0, 1_000_000).default(5_000),
    'Open connections per process; more are dropped unanswered. An idle one takes some 10 KB and a file descriptor. 0 = no limit. In realtime those that have not said hello yet, see WS_MAX_SOCKETS.',
  ),
  HTTP_MAX_CONNECTIONS_PER_ADDRESS: setting(
    count(0, 1_000_000).default(2_000),
    'Open connections per process and remote address (an IPv6 /64 counts as one) before 429. Behind a load balancer all have its address: more than it keeps open, or 0 = no limit and the limit per client there. In realtime those that have not said hello yet.',
  ),
  HTTP_BODY_LIMIT_BYTES: setting(
    count(1_024, 104_857_600).default(10_485_760),
    'Largest request body of any route before 413 (R101); most routes take 128 KiB or less.',
  ),
  CORS_ORIGINS: setting(
    list.refine((origins) => origins.every(isOrigin), 'must be `*` or origins like https://app.example.com, separated by commas'),
    'Origins whose pages may call the API from a browser, separated by commas; `*` = any. Empty = none. For the console, `realtime` needs the origin of the gateway.',
  ),
  CONSOLE: setting(z.enum(['on', 'off']).default('on'), 'off: the gateway serves a plain page with links at `/` instead of the console.'),
  CONSOLE_REALTIME_URL: setting(
    url('ws:', 'wss:').optional(),
    'Where the console finds the WebSocket of `realtime`, e.g. wss://live.example.com/v1/ws. Without it: the host of the page, one port higher.',
  ),
  MCP_URL: setting(
    url('http:', 'https:').optional(),
    'Public URL of `/mcp`, such as `https://api.example.com/mcp`: what the metadata of the endpoint call it. Set it behind a proxy; without it the host that a caller used is named.',
  ),
  MCP_AUTHORIZATION_SERVERS: setting(
    list.refine((issuers) => issuers.every(isIssuer), 'must be URLs that begin with https://, separated by commas'),
    'Issuers of tokens, separated by commas, that agents without a token are sent to (RFC 9728). Empty = none: agents are given tokens.',
  ),

  WS_PING_MS: setting(
    count(1_000, 600_000).default(25_000),
    'Pause between two pings of a socket. Shorter than the idle timeout of every proxy on the way; each ping also tells the client what it may have missed.',
  ),
  WS_PONG_TIMEOUT_MS: setting(
    count(500, 600_000).default(10_000),
    'A client that does not answer a ping within this is closed (4012), and one that reads nothing for so long while it catches up (4008).',
  ),
  WS_HELLO_TIMEOUT_MS: setting(count(100, 60_000).default(5_000), 'A socket whose first frame does not come within this is closed (4401).'),
  WS_MAX_FRAME_BYTES: setting(
    count(20_480, 1_048_576).default(65_536),
    'Longest frame of a client; a longer one closes its socket (4400). A message of 16,384 characters outside ASCII takes up to 49,152 bytes, escaped up to 98,304.',
  ),
  WS_BUFFER_FRAMES: setting(
    count(16, 100_000).default(256),
    'Frames that may wait for a slow client; beyond it its socket is closed (4008), and it resumes.',
  ),
  WS_BUFFER_BYTES: setting(
    count(65_536, 104_857_600).default(1_048_576),
    'The same in bytes: what one socket may cost in memory, times the sockets that are slow at once.',
  ),
  WS_SOCKETS_PER_USER: setting(
    count(0, 100_000).optional(),
    'Open sockets of one user over all processes; one more is closed (4013). 10 unless set; 0 = no limit.',
  ),
  WS_FRAMES_PER_SECOND: setting(
    count(0, 100_000).optional(),
    'Frames that one socket may send per second, with a burst of twice that; beyond it the socket is closed (4013). 20 unless set; 0 = no limit.',
  ),
  WS_MAX_SOCKETS: setting(
    count(1, 1_000_000).default(20_000),
    'Sockets of one process; more are answered with 503. An idle one takes about 20 KB and a file descriptor.',
  ),
  WS_DRAIN_MS: setting(
    count(0, 600_000).default(15_000),
    'When the process stops, its sockets are told to reconnect at moments spread over this, so that the others do not get them all at once. The process ends within 5 s after it.',
  ),

  SEARCH_WORKERS: setting(count(1, 256).default(16), 'Searches that one gateway runs at once (R095).'),
  SEARCH_QUEUE_SIZE: setting(count(0, 100_000).default(1_000), 'Searches that may wait for a place before 503 (R096).'),
  INDEX_WORKERS: setting(count(1, 64).default(8), 'Index writes that one process runs at once (R095).'),
  CHUNK_WORKERS: setting(
    count(1, 32).default(4),
    'Threads of one embedding process that cut documents into chunks (R095); they start with the first document.',
  ),
  ML_EMBED_WORKERS: setting(count(1, 4).default(2), 'Batches that one embedding process handles at once (R019, ruling C13).'),
  TEXT_WORKERS: setting(
    count(1, 16).default(1),
    'Threads of one gateway that search, order and count long texts, off its event loop. Raise it when worker_pool_queued{pool="text"} stays above 0 and cores are idle.',
  ),
  ML_RERANK_WORKERS: setting(count(1, 8).default(2), 'Rerank calls that one gateway runs at once (R095).'),

  EMBEDDING_PROVIDER: setting(
    z.enum(['local', 'ollama', 'openai', 'transformers']).default('local'),
    'The embedder. `local` needs nothing and is lexical; changing the provider changes the collection.',
  ),
  EMBEDDING_MODEL: setting(
    z.string().min(1).optional(),
    'Model name for ollama and openai (e.g. nomic-embed-text, text-embedding-3-small).',
  ),
  EMBEDDING_DIMENSION: setting(count(1, 8_192).optional(), 'Vector length of that model; asked from the model at start when not given.'),
  EMBEDDING_BASE_URL: setting(url('http:', 'https:').optional(), 'Endpoint of ollama or of an OpenAI-compatible server.'),
  EMBEDDING_API_KEY: secret(z.string().optional(), 'Key for that endpoint.'),
  EMBEDDING_MODEL_DIR: setting(z.string().optional(), 'Folder of the model for `transformers`.'),
  EMBEDDING_CACHE_SIZE: setting(
    count(0, 10_000_000).default(100_000),
    'Texts whose vectors one process remembers; 100,000 of 384 dimensions take about 200 MB (R101).',
  ),

  LLM_PROVIDER: setting(
    z.enum(['local', 'openai']).default('local'),
    'Reads conversations to score them. `local` needs nothing: rules and lexicons of English and Vietnamese. `openai`: any endpoint that speaks its chat completions (Groq, OpenAI, vLLM, Ollama).',
  ),
  LLM_BASE_URL: setting(
    url('http:', 'https:').optional(),
    'Endpoint for `openai`, up to the path of the version, e.g. https://api.groq.com/openai/v1. Conversations and LLM_API_KEY go to this host and to no other: redirects are not followed.',
  ),
  LLM_API_KEY: secret(z.string().min(1).optional(), 'Key for that endpoint, sent as a bearer token. Leave it out where none is asked for.'),
  LLM_MODEL: setting(
    z.string().min(1).max(200).optional(),
    'Model of that endpoint, e.g. openai/gpt-oss-20b. It is stored with each score.',
  ),
  LLM_REQUESTS_PER_MINUTE: setting(
    count(1, 100_000).default(30),
    'Requests per minute to that endpoint, of all processes together (R081). What the endpoint allows, less a fifth: the bucket may let that much through at once. One user has at most a third of it.',
  ),
  MEMORY_API_URL: setting(
    url('http:', 'https:').optional(),
    'Memory API in the style of Mem0, e.g. https://api.mem0.ai/v1: it is given each conversation that is scored, and new memories count. Without it conversations are scored without memories.',
  ),
  MEMORY_API_KEY: secret(z.string().min(1).optional(), 'Key for that API, sent as `Authorization: Token`.'),

  OTEL_EXPORTER_OTLP_ENDPOINT: setting(
    url('http:', 'https:').optional(),
    'OpenTelemetry collector, Jaeger or the like that takes spans as OTLP over HTTP, without the path (`/v1/traces` is added), e.g. http://localhost:4318. Without it no spans are made.',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: secret(
    z
      .string()
      .refine((text) => parseHeaderList(text) !== undefined, 'must be like name=value,name=value, the values percent-encoded')
      .optional(),
    'Headers for it, such as an access token.',
  ),
  OTEL_TRACES_SAMPLER_ARG: setting(
    z.coerce.number().min(0).max(1).default(0.1),
    'Share of the traces that are exported, decided where a request comes in; one that brings a `traceparent` is exported when that says so. Errors, what takes longer than 2 s and calls of language models are exported in any case.',
  ),
  TRACE_CONTENT: setting(
    z.enum(['true', 'false']).default('false'),
    'true: spans of language models hold prompts and answers, up to 8,192 characters, without mail addresses, long numbers and credentials. Messages are in no span.',
  ),
  LANGFUSE_BASE_URL: setting(
    url('http:', 'https:').default('https://cloud.langfuse.com'),
    'Langfuse: cloud, or your own (3.22 or later). Change it to your region or your own host.',
  ),
  LANGFUSE_PUBLIC_KEY: setting(
    z
      .string()
      .regex(/^[\w-]+$/, 'must be a key of Langfuse')
      .optional(),
    'With both keys, spans of language models, embedders and the steps of scoring go to Langfuse as well.',
  ),
  LANGFUSE_SECRET_KEY: secret(
    z
      .string()
      .regex(/^[\w-]+$/, 'must be a key of Langfuse')
      .optional(),
    'Its secret. Users are named in spans by a hash that is keyed with it.',
  ),

  GOOGLE_CHAT_WEBHOOK_URL: secretUrl(
    url('http:', 'https:').optional(),
    'Webhook of a space in Google Chat: `ops` sends its alerts there as cards. Its key is part of it: best as GOOGLE_CHAT_WEBHOOK_URL_FILE.',
  ),
  ALERT_WEBHOOK_URL: secretUrl(
    url('http:', 'https:').optional(),
    'Where `ops` posts its alerts in the format of Alertmanager: an on-call service, a ticket system, a bridge. Best as ALERT_WEBHOOK_URL_FILE.',
  ),
  ALERT_ENVIRONMENT: setting(
    z.string().min(1).max(64).default('parley'),
    'Name of this installation in alerts. Change it where several write into one space or one Redis.',
  ),
  ALERT_RUNBOOK_URL: setting(
    url('http:', 'https:').optional(),
    'Where the folder docs/operate/runbooks can be read, for the link of each alert. Without it alerts name the page.',
  ),
} satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;
/** The parsed configuration of a process, by the names of the environment variables. */
export type Config = { readonly [Name in SettingName]: z.output<(typeof settings)[Name]['schema']> };

/** What no single setting can know: settings that another one's value asks for, or rules out. One line for each problem. */
const wrongTogether = (config: Config): string[] => {
  const { EMBEDDING_PROVIDER: provider } = config;
  const isRemote = provider === 'ollama' || provider === 'openai';
  const byProvider = `EMBEDDING_PROVIDER=${provider}`;
  const needs: readonly (readonly [isNeeded: boolean, name: SettingName, by: string])[] = [
    [isRemote, 'EMBEDDING_MODEL', byProvider],
    // Without a base URL it is OpenAI itself, which answers no request without a key.
    [provider === 'openai' && config.EMBEDDING_BASE_URL === undefined, 'EMBEDDING_API_KEY', byProvider],
    [provider === 'transformers', 'EMBEDDING_MODEL_DIR', byProvider],
    [config.S3_ACCESS_KEY_ID !== undefined, 'S3_SECRET_ACCESS_KEY', 'S3_ACCESS_KEY_ID'],
    [config.S3_SECRET_ACCESS_KEY !== undefined, 'S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'],
    [config.LLM_PROVIDER === 'openai', 'LLM_BASE_URL', 'LLM_PROVIDER=openai'],
    [config.LLM_PROVIDER === 'openai', 'LLM_MODEL', 'LLM_PROVIDER=openai'],
    [config.OTEL_EXPORTER_OTLP_HEADERS !== undefined, 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_HEADERS'],
    [config.LANGFUSE_PUBLIC_KEY !== undefined, 'LANGFUSE_SECRET_KEY', 'LANGFUSE_PUBLIC_KEY'],
    [config.LANGFUSE_SECRET_KEY !== undefined, 'LANGFUSE_PUBLIC_KEY', 'LANGFUSE_SECRET_KEY'],
    [config.ONESIGNAL_APP_ID !== undefined, 'ONESIGNAL_API_KEY', 'ONESIGNAL_APP_ID'],
    [config.ONESIGNAL_API_KEY !== undefined, 'ONESIGNAL_APP_ID', 'ONESIGNAL_API_KEY'],
  ];
  const missing = needs
    .filter(([isNeeded, name]) => isNeeded && config[name] === undefined)
    .map(([, name, by]) => `${name}: required by ${by}. ${settings[name].doc}`);
  const isShared = config.OPERATIONS_PORT !== undefined && config.OPERATIONS_PORT === config.PORT;
  return isShared ? [...missing, 'OPERATIONS_PORT: must differ from PORT, which is taken by then.'] : missing;
};

/** The configuration cannot work; `problems` has one line per variable. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`Configuration:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

// An empty variable is what `NAME=` in an .env file gives: it means "not set".
const given = (env: NodeJS.ProcessEnv, name: string): string | undefined => env[name]?.trim() || undefined;

/** @throws ConfigError when the file of a secret cannot be read. */
const valueOf = (env: NodeJS.ProcessEnv, name: string, { secret: isSecret }: Setting): string | undefined => {
  const value = given(env, name);
  const file = isSecret ? given(env, `${name}_FILE`) : undefined;
  if (value !== undefined || file === undefined) return value;
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    throw new ConfigError([`${name}_FILE: cannot read ${file}`]);
  }
};

/** Reads and checks every setting. @throws ConfigError with all problems at once; no problem quotes a value. */
export const parseConfig = (env: NodeJS.ProcessEnv): Config => {
  const problems: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries<Setting>(settings)) {
    try {
      const value = valueOf(env, name, entry);
      const result = entry.schema.safeParse(value);
      if (result.success) config[name] = result.data;
      else if (value === undefined) problems.push(`${name}: is not set. ${entry.doc}`);
      else problems.push(`${name}: ${result.error.issues.map((issue) => issue.message).join(', ')}. ${entry.doc}`);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
    }
  }
  // A setting that did not parse is not missing: it is already in the list.
  const listed = new Set(problems.map((problem) => problem.split(':')[0]));
  problems.push(...wrongTogether(config as Config).filter((problem) => !listed.has(problem.split(':')[0])));
  if (problems.length > 0) throw new ConfigError(problems);
  return config as Config;
};

/** The configuration of this process, or exit 78 after listing everything that is wrong with it. The only reader of `process.env`. */
export const loadConfig = (): Config => {
  try {
    return parseConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EXIT_CONFIG);
  }
};

/** Injection token of the Config. */
export const CONFIG = Symbol('Config');

const HIDDEN = '***';

/** Hides user, password and parameters that sound secret; an URL without them stays as it was written. */
const redactUrl = (value: string): string => {
  if (!URL.canParse(value)) return HIDDEN;
  const parsed = new URL(value);
  const secretParameters = [...parsed.searchParams.keys()].filter((name) => /pass|secret|token|key|auth/i.test(name));
  if (parsed.username === '' && parsed.password === '' && secretParameters.length === 0) return value;
  if (parsed.username !== '') parsed.username = HIDDEN;
  if (parsed.password !== '') parsed.password = HIDDEN;
  for (const name of secretParameters) parsed.searchParams.set(name, HIDDEN);
  return parsed.href;
};

/** The configuration as it may be shown: secrets are hidden, of URLs only their credentials. Not set = null. */
export const redactedConfig = (config: Config): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries<Setting>(settings).map(([name, { secret: isSecret }]) => {
      const value = config[name as SettingName];
      if (typeof value !== 'string') return [name, value ?? null];
      const isUrl = isSecret !== 'whole' && URL.canParse(value);
      if (isUrl && (!isSecret || name.endsWith('_URL'))) return [name, redactUrl(value)];
      return [name, isSecret ? HIDDEN : value];
    }),
  );
