import type { Config } from '../config/config.js';

/** Settings that make a drain longer or shorter. */
type DrainConfig = Pick<Config, 'BUS_DRAIN_MS' | 'WS_DRAIN_MS'>;

/** Above the longest deadline of a route, below the 60 s of a load balancer; milliseconds. */
const REQUESTS_MS = 55_000;
/** After the handlers' drain: closing channels (5 s), open confirms or running publishes (5 s), connections (2 s), and a margin; milliseconds. */
const CLOSING_CONSUMER_MS = 15_000;
/** After the drain of the sockets: the last acknowledgements, confirms and closing connections; milliseconds. */
const CLOSING_SOCKETS_MS = 5_000;

const consumer = ({ BUS_DRAIN_MS }: DrainConfig): number => BUS_DRAIN_MS + CLOSING_CONSUMER_MS;
const longestOfAll = (config: DrainConfig): number => Math.max(REQUESTS_MS, consumer(config), config.WS_DRAIN_MS + CLOSING_SOCKETS_MS);

/**
 * How long each app may take to end after SIGTERM, in milliseconds: what is left then is cut off. The grace period of an orchestrator is longer
 * (docs/operate/deployment.md).
 * A scoring run of 180 s is not waited for: it stores nothing before its end and is delivered again. Only calls of the model are repeated,
 * and a rollout takes a minute instead of four.
 */
export const drainTimes = {
  gateway: () => REQUESTS_MS,
  realtime: ({ WS_DRAIN_MS }: DrainConfig) => WS_DRAIN_MS + CLOSING_SOCKETS_MS,
  embedding: consumer,
  scoring: consumer,
  delivery: consumer,
  ops: consumer,
  // All apps at once, then what they share.
  standalone: (config) => longestOfAll(config) + CLOSING_SOCKETS_MS,
} as const satisfies Readonly<Record<string, (config: DrainConfig) => number>>;
