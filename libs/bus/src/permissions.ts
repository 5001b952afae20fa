import { CONTROL_EXCHANGE } from '#lib/contracts/control';
import { EVENTS_EXCHANGE, type RequestRow } from '#lib/contracts/pipeline';
import type { PipelineRows } from './topology.js';

/** What one user of RabbitMQ may do in one virtual host: regular expressions over the names of exchanges and queues. */
export interface Permission {
  readonly user: string;
  readonly vhost: string;
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

/** The contents of `docker/rabbitmq/definitions.json`, without passwords. */
export interface Definitions {
  readonly vhosts: readonly { readonly name: string }[];
  readonly users: readonly { readonly name: string; readonly tags: string }[];
  readonly permissions: readonly Permission[];
}

/** Rows of requests by queue name. */
export type RequestRows = Readonly<Record<string, RequestRow>>;

const VHOST = 'parley';
/** Answers REST, asks and publishes, consumes nothing; declares and sweeps everything. Every other app has its user for having a row. */
const GATEWAY = 'gateway';
const OPS = 'ops';
/** The operator's command line: as `ops`, and also with queues that no row describes any more. */
const CLI = 'cli';
/** Reads lengths through the management API for those that show them, and may do nothing else. */
const MONITOR = 'monitor';
const ANY_QUEUE = '[a-z]+\\.[a-z]+';
const SATELLITES = '(\\.retry\\.[0-9]+|\\.dlq)?';

/**
 * The users of RabbitMQ and what each needs, derived from who hears and answers what. Every app publishes, and binds queues that others have
 * declared again, which takes `write` on the queue; messages are read by the app whose row it is. `ops` declares all of it, and with the
 * gateway looks into dead letters, one at a time (`.dlq.lock`).
 */
export const definitionsFor = (rows: PipelineRows, requests: RequestRows): Definitions => {
  const consumers = [...rowsByApp(rows).keys(), ...rowsByApp(requests).keys()];
  const apps = [...new Set([GATEWAY, ...consumers.filter((app) => app !== OPS), OPS, CLI])];
  return {
    vhosts: [{ name: VHOST }],
    // `monitoring` opens the management API, which knows what is unacknowledged and what is bound. No service has it with its own login.
    users: [...apps.map((app) => ({ name: userOf(app), tags: '' })), { name: userOf(MONITOR), tags: 'monitoring' }],
    permissions: [
      ...apps.map((app) => permissionOf(app, rows, requests)),
      { user: userOf(MONITOR), vhost: VHOST, configure: '^$', write: '^$', read: '^$' },
    ],
  };
};

const permissionOf = (app: string, rows: PipelineRows, requests: RequestRows): Permission => {
  const queues = app === CLI ? [ANY_QUEUE] : Object.keys(rows).map(escaped);
  const isOperator = app === OPS || app === CLI;
  const own = isOperator ? queues : (rowsByApp(rows).get(app) ?? []).map(escaped);
  const withSatellites = own.map((queue) => `${queue}${SATELLITES}`);
  const answered = (rowsByApp(requests).get(app) ?? []).map(escaped);
  const seesDeadLetters = app === GATEWAY || isOperator;
  const locks = seesDeadLetters ? queues.map((queue) => `${queue}\\.dlq\\.lock`) : [];
  const deadLetters = seesDeadLetters ? queues.map((queue) => `${queue}\\.dlq`) : [];
  const control = `${escaped(CONTROL_EXCHANGE)}(\\.${app}\\.[0-9a-f-]+)?`;
  const events = escaped(EVENTS_EXCHANGE);
  return {
    user: userOf(app),
    vhost: VHOST,
    configure: anyOf([...(own.length > 0 ? [events] : []), ...withSatellites, ...answered, ...locks, control]),
    write: anyOf([events, 'amq\\.default', ...queues.filter((queue) => !own.includes(queue)), ...withSatellites, ...answered, control]),
    read: anyOf([events, ...withSatellites, ...answered, ...deadLetters, control]),
  };
};

const rowsByApp = (rows: Readonly<Record<string, { readonly app: string }>>): Map<string, string[]> => {
  const byApp = Map.groupBy(Object.entries(rows), ([, { app }]) => app);
  return new Map([...byApp].map(([app, entries]) => [app, entries.map(([queue]) => queue)]));
};

const userOf = (app: string): string => `parley-${app}`;

const escaped = (name: string): string => name.replaceAll('.', '\\.');

const anyOf = (names: readonly string[]): string => `^(${[...new Set(names)].join('|')})$`;
