/** A bounded pool as it is now, e.g. the Postgres connections of one lane. */
export interface PoolState {
  readonly size: number;
  readonly inUse: number;
  /** Callers that wait for a place. */
  readonly waiting: number;
  /** Places given back since the pool was made. */
  readonly releases: number;
}

/** A line of a report. */
export interface PoolReport extends PoolState {
  readonly name: string;
  /** How long all places have been taken without one of them being given back, in milliseconds; 0 when that is not so. */
  readonly exhaustedForMs: number;
}

interface Watched {
  readonly read: () => PoolState;
  releases: number;
  /** `performance.now()` since when all places are taken and none was given back. */
  exhaustedSince: number | undefined;
  /** Whether a caller has waited in that time. */
  isWanted: boolean;
}

const pools = new Map<symbol, { readonly name: string; readonly watched: Watched }>();

/** Lets the watchdog and operators see a pool. @returns a function that ends it. */
export const watchPool = (name: string, read: () => PoolState): (() => void) => {
  const key = Symbol(name);
  pools.set(key, { name, watched: { read, releases: 0, exhaustedSince: undefined, isWanted: false } });
  return () => void pools.delete(key);
};

/** Looks at every pool; call it regularly, it is what notices that nothing is given back. */
export const samplePools = (now = performance.now()): void => {
  for (const { watched } of pools.values()) {
    const { size, inUse, waiting, releases } = watched.read();
    if (inUse < size) {
      watched.exhaustedSince = undefined;
    } else if (watched.exhaustedSince === undefined || releases !== watched.releases) {
      watched.exhaustedSince = now;
      watched.isWanted = false;
    }
    watched.releases = releases;
    if (waiting > 0 && watched.exhaustedSince !== undefined) watched.isWanted = true;
  }
};

/**
 * The pools in which nothing moves: all places taken, none given back for `forMs`, and a caller waits. Longer than any operation may take,
 * that is a pool that has lost its places (R063).
 */
export const stuckPools = (forMs: number, now = performance.now()): string[] =>
  [...pools.values()]
    .filter(({ watched }) => watched.isWanted && watched.exhaustedSince !== undefined && now - watched.exhaustedSince >= forMs)
    .map(({ name }) => name);

/** Every pool as it is now. */
export const poolReports = (now = performance.now()): PoolReport[] =>
  [...pools.values()].map(({ name, watched: { read, exhaustedSince } }) => ({
    name,
    ...read(),
    exhaustedForMs: exhaustedSince === undefined ? 0 : Math.round(now - exhaustedSince),
  }));
