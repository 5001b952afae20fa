/** One process that `npm start` runs. */
export interface ServiceRow {
  readonly name: string;
  /** Its built entry file, relative to the checkout. */
  readonly entry: string;
  /** Added to PARLEY_PORT_BASE. */
  readonly portOffset: number;
  /** Longest drain after SIGTERM, in milliseconds: a little more than the process gives itself (`resilience.md`, drain). */
  readonly stopWithinMs: number;
}

/** The processes of Parley, in the order in which they are shown. A new app needs a row here and nothing else to be run. */
export const services: readonly ServiceRow[] = [
  { name: 'gateway', entry: 'dist/apps/gateway/src/main.js', portOffset: 0, stopWithinMs: 60_000 },
  { name: 'embedding', entry: 'dist/apps/embedding/src/main.js', portOffset: 2, stopWithinMs: 60_000 },
  { name: 'ops', entry: 'dist/apps/ops/src/main.js', portOffset: 3, stopWithinMs: 60_000 },
];

/** Runs to its end before any service starts. */
export const migration = { entry: 'dist/apps/ops/src/main.js', args: ['migrate'], timeoutMs: 120_000 } as const;
