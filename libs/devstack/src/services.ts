/** One process that `npm start` runs. */
export interface ServiceRow {
  readonly name: string;
  /** The folder of its app, whose logins and flags it has; differs from `name` where several processes of one app run. */
  readonly app: string;
  /** Its built entry file, relative to the checkout. */
  readonly entry: string;
  /** Added to PARLEY_PORT_BASE. */
  readonly portOffset: number;
  /** Longest drain after SIGTERM, in milliseconds: a little more than the process gives itself (docs/operate/deployment.md). */
  readonly stopWithinMs: number;
}

/** A command that runs to its end before any service starts. */
export interface MigrationRow {
  readonly entry: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
}

/** What one stack consists of. */
export interface Processes {
  readonly services: readonly ServiceRow[];
  readonly migration: MigrationRow;
}

/** The processes of Parley, in the order in which they are shown. A new app needs a row here to be run, here and in tests. */
export const processes = {
  services: [
    { name: 'gateway', app: 'gateway', entry: 'dist/apps/gateway/src/main.js', portOffset: 0, stopWithinMs: 60_000 },
    { name: 'realtime-1', app: 'realtime', entry: 'dist/apps/realtime/src/main.js', portOffset: 1, stopWithinMs: 30_000 },
    { name: 'embedding', app: 'embedding', entry: 'dist/apps/embedding/src/main.js', portOffset: 2, stopWithinMs: 60_000 },
    { name: 'delivery', app: 'delivery', entry: 'dist/apps/delivery/src/main.js', portOffset: 4, stopWithinMs: 60_000 },
    { name: 'scoring', app: 'scoring', entry: 'dist/apps/scoring/src/main.js', portOffset: 12, stopWithinMs: 60_000 },
    { name: 'ops', app: 'ops', entry: 'dist/apps/ops/src/main.js', portOffset: 3, stopWithinMs: 60_000 },
  ],
  migration: { entry: 'dist/apps/ops/src/main.js', args: ['migrate'], timeoutMs: 120_000 },
} as const satisfies Processes;

/** How many `realtime` processes `npm start -- --realtime` can run. */
export const MOST_REALTIME = 8;
/** Port offsets of realtime-2 to realtime-8, 5 to 11: those of the other services lie before and behind. */
const SECOND_REALTIME_OFFSET = 5;

/** The same with so many `realtime` processes, one after the other in the table. */
export function withRealtime(count: number): Processes {
  const more = (row: ServiceRow): ServiceRow[] =>
    Array.from({ length: count - 1 }, (_, i) => ({ ...row, name: `realtime-${i + 2}`, portOffset: SECOND_REALTIME_OFFSET + i }));
  return { ...processes, services: processes.services.flatMap((row) => (row.app === 'realtime' ? [row, ...more(row)] : [row])) };
}

/** Every process that `npm start` may run. */
export const possibleServices: readonly ServiceRow[] = withRealtime(MOST_REALTIME).services;

/** The name, in logs and status, of the process that is all of them. */
export const STANDALONE = 'standalone';

/** An app that runs as a service. */
export type ServiceName = (typeof processes.services)[number]['app'];
