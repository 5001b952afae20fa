import { largest, measured, pipelineMs, searchMs, storm } from './measured.js';

/** What users are assumed to do. Nothing here is measured: put in your own. */
export const assumed = {
  messagesPerUserAndDay: 20,
  /** Of a day's messages, in its busiest hour. */
  busiestHour: 0.1,
  /** Of users, with an open socket in that hour. */
  online: 0.1,
  /** Sockets that a message goes to. */
  openReceivers: 2,
  searchesPerUserAndDay: 1,
  /** Ends that are scored with a language model of two calls. */
  endsPerUserAndDay: 0.5,
  callsPerEnd: 2,
} as const;

/** How full a core, a worker and a pod should be, as the advisor has it: docs/operate/scaling.md. */
const LOOP_GOAL = 0.5;
const CPU_GOAL = 0.6;
const WORKERS_PER_POD = 4;
const SOCKETS_PER_NODE = 20_000;
const LEAST = 2;
const DAYS = 30;
const VECTOR_BYTES = 384 * 4;
const SECONDS_PER_HOUR = 3_600;
const POOL = 10;
const CONNECTION_SHARE = 0.8;
const RESERVED = 10;

/** What so many users need. */
export interface CapacityPlan {
  readonly users: number;
  readonly messagesPerDay: number;
  /** In the busiest hour, per second. */
  readonly messages: number;
  readonly searches: number;
  readonly sockets: number;
  readonly gatewayWorkers: number;
  readonly gatewayPods: number;
  readonly realtime: number;
  readonly delivery: number;
  readonly embedding: number;
  readonly scoring: number;
  readonly modelCallsPerMinute: number;
  readonly postgresCores: number;
  readonly rabbitmqCores: number;
  readonly redisCores: number;
  readonly chromaCores: number;
  readonly connections: number;
  readonly maxConnections: number;
  readonly messagesPerMonth: number;
  readonly vectorBytesPerMonth: number;
  /** Days after which there are more messages than search was measured with. */
  readonly daysToMeasuredSearch: number;
}

const perMessageMs = (part: keyof typeof pipelineMs): number => pipelineMs[part] / measured.pipelinePerSecond;
const coresFor = (ms: number): number => ms / 1_000 / CPU_GOAL;

/** The arithmetic of docs/operate/capacity.md for so many users. */
export function planFor(users: number): CapacityPlan {
  const perSecond = (perUserAndDay: number) => (users * perUserAndDay * assumed.busiestHour) / SECONDS_PER_HOUR;
  const messages = perSecond(assumed.messagesPerUserAndDay);
  const searches = perSecond(assumed.searchesPerUserAndDay);
  const sockets = users * assumed.online;
  const gatewayWorkers = Math.max(LEAST, Math.ceil((messages * perMessageMs('gateway') + searches * searchMs.gateway) / 1_000 / LOOP_GOAL));
  const gatewayPods = Math.max(LEAST, Math.ceil(gatewayWorkers / WORKERS_PER_POD));
  const byRate = (rate: number) => Math.max(LEAST, Math.ceil(messages / (rate * LOOP_GOAL)));
  const realtime = Math.max(LEAST, Math.ceil(sockets / SOCKETS_PER_NODE));
  const delivery = byRate(measured.pipelinePerSecond);
  const scoring = byRate(measured.pipelinePerSecond);
  const embedding = Math.max(LEAST, Math.ceil((messages * perMessageMs('embedding')) / 1_000 / LOOP_GOAL));
  const ops = 1;
  // One more of each service while a rollout replaces it.
  const workersEach = Math.ceil(gatewayWorkers / gatewayPods);
  const connections = ((gatewayPods + 1) * workersEach + realtime + delivery + embedding + scoring + ops + 5) * POOL;
  const messagesPerDay = users * assumed.messagesPerUserAndDay;
  return {
    users,
    messagesPerDay,
    messages,
    searches,
    sockets,
    gatewayWorkers,
    gatewayPods,
    realtime,
    delivery,
    embedding,
    scoring,
    modelCallsPerMinute: perSecond(assumed.endsPerUserAndDay) * assumed.callsPerEnd * 60,
    postgresCores: coresFor(messages * perMessageMs('postgres') + searches * searchMs.postgres),
    rabbitmqCores: coresFor(messages * perMessageMs('rabbitmq')),
    redisCores: coresFor(messages * perMessageMs('redis')),
    chromaCores: coresFor(messages * perMessageMs('chroma') + searches * searchMs.chroma),
    connections,
    maxConnections: Math.ceil(connections / CONNECTION_SHARE) + RESERVED,
    messagesPerMonth: messagesPerDay * DAYS,
    vectorBytesPerMonth: messagesPerDay * DAYS * VECTOR_BYTES,
    daysToMeasuredSearch: largest.searched / messagesPerDay,
  };
}

/** What one process carries, half of its event loop and 60 % of a core in use. */
export const limits = {
  /** Sends per second of one worker of the gateway: with few, and with many messages in one commit. */
  sendsFew: (LOOP_GOAL * 1_000) / perMessageMs('gateway'),
  sendsMany: (LOOP_GOAL * 1_000_000) / measured.gatewayFullBatches,
  /** Vectors per second of one embedding process, without Chroma. */
  embedded: (LOOP_GOAL * 1_000) / perMessageMs('embedding'),
  /** Sockets of one realtime process in so many bytes, at 65 %. */
  socketsIn: (bytes: number): number => Math.floor((bytes * 0.65 - measured.emptyRealtimeMiB * 2 ** 20) / measured.bytesPerSocket),
  /** Seconds of CPU in all processes while the clients of a full node resume elsewhere. */
  resumeSeconds: (SOCKETS_PER_NODE / storm.clients) * storm.all,
} as const;
