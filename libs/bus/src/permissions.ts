import { CONTROL_EXCHANGE } from '#lib/contracts/control';
import { EVENTS_EXCHANGE, type QueueRow } from '#lib/contracts/pipeline';

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

/** Rows of any kind by queue name; `queues` in contracts are those of the product. */
export type QueueRows = Readonly<Record<string, QueueRow>>;

const VHOST = 'parley';
/** Shows dead letters to administrators and sends them back. */
const GATEWAY = 'gateway';
/** Declares every queue. */
const OPS = 'ops';
/** The operator's command line: as `ops`, and also for queues whose row is gone. */
const CLI = 'cli';
/** Reads queue lengths through the management API, and may do nothing else. */
const MONITOR = 'monitor';
const ANY_QUEUE = '[a-z]+\\.[a-z]+';
const SATELLITES = '(\\.retry\\.[0-9]+|\\.dlq)?';

/**
 * The users of RabbitMQ with the permissions each needs, derived from the rows: every producer and consumer has a user. Every app publishes and
 * binds work queues again, which takes `write` on the queue; only the consuming app reads it. `ops` declares every queue; the gateway and `ops`
 * read dead letters, one process at a time (`.dlq.lock`).
 */
export const definitionsFor = (rows: QueueRows): Definitions => {
  const named = Object.values(rows).flatMap(({ producers, app }) => [...producers, app]);
  const apps = [...new Set([...named.filter((app) => app !== OPS), OPS, CLI])];
  return {
    vhosts: [{ name: VHOST }],
    // `monitoring` opens the management API, which counts unacknowledged messages and lists bindings. No service has it with its own login.
    users: [...apps.map((app) => ({ name: userOf(app), tags: '' })), { name: userOf(MONITOR), tags: 'monitoring' }],
    permissions: [
      ...apps.map((app) => permissionOf(app, rows)),
      { user: userOf(MONITOR), vhost: VHOST, configure: '^$', write: '^$', read: '^$' },
    ],
  };
};

const permissionOf = (app: string, rows: QueueRows): Permission => {
  const queues = app === CLI ? [ANY_QUEUE] : namesOf(rows, 'events').map(escaped);
  const isOperator = app === OPS || app === CLI;
  const own = isOperator ? queues : namesOf(rows, 'events', app).map(escaped);
  const withSatellites = own.map((queue) => `${queue}${SATELLITES}`);
  const answered = namesOf(rows, 'requests', app).map(escaped);
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

/** The queues of a kind, of one app or of all. */
const namesOf = (rows: QueueRows, kind: QueueRow['kind'], app?: string): string[] =>
  Object.entries(rows).flatMap(([queue, row]) => (row.kind === kind && (app === undefined || row.app === app) ? [queue] : []));

const userOf = (app: string): string => `parley-${app}`;

const escaped = (name: string): string => name.replaceAll('.', '\\.');

const anyOf = (names: readonly string[]): string => `^(${[...new Set(names)].join('|')})$`;
