import { connect as connectToRabbitmq } from 'amqplib';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { type DependencyName, dependencyNames } from '#lib/testing/stack/programs';
import { urlVariables } from '#lib/testing/stack/provisioning';
import { isReady } from '../is-ready.js';
import { operatorEnvironment, runningStack } from '../running-stack.js';
import type { StackState } from '../state.js';
import { withoutLogin } from '../url-login.js';
import type { Check, Finding } from './check.js';

const ANSWER_WITHIN_MS = 4_000;
/** Ids, tokens and leases carry times: above a second of difference they begin to disagree. */
const CLOCK = { warnMs: 1_000, failMs: 30_000 };

/** What can only be asked of what runs: the servers that the environment or the running Parley names, their clock, the services. */
export async function stackChecks(): Promise<Check[]> {
  const { env } = await operatorEnvironment();
  const stack = await runningStack();
  const named = dependencyNames.flatMap((name): Check[] => {
    const url = env[urlVariables[name]];
    return url === undefined ? [] : [{ name, run: () => reached(name, url) }];
  });
  const { DATABASE_URL: databaseUrl } = env;
  return [
    ...named,
    ...(databaseUrl === undefined ? [] : [{ name: 'clock', run: () => clockFinding(databaseUrl) }]),
    ...(stack === undefined ? [{ name: 'services', run: notRunning }] : servicesOf(stack)),
  ];
}

function notRunning(): Finding {
  return { level: 'ok', says: 'Parley is not running here', toDo: 'npm start' };
}

function servicesOf({ services }: StackState): Check[] {
  return services.map(({ name, url }) => ({
    name,
    run: async () =>
      (await isReady(url))
        ? { level: 'ok', says: `ready at ${url}` }
        : { level: 'fail', says: `not ready at ${url}`, toDo: `npx parley logs ${name}` },
  }));
}

async function reached(name: DependencyName, url: string): Promise<Finding> {
  const startedAt = performance.now();
  try {
    await ASK[name](url);
    return { level: 'ok', says: `answers at ${withoutLogin(url)} (${Math.round(performance.now() - startedAt)} ms)` };
  } catch (error) {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    return { level: 'fail', says: `${withoutLogin(url)}: ${reason}`, toDo: `is it running, and is ${urlVariables[name]} right?` };
  }
}

const ASK: Readonly<Record<DependencyName, (url: string) => Promise<unknown>>> = {
  postgres: (url) => askPostgres(url, 'SELECT 1'),
  rabbitmq: async (url) => {
    const connection = await connectToRabbitmq(url, { timeout: ANSWER_WITHIN_MS });
    connection.on('error', () => undefined);
    await connection.close();
  },
  redis: async (url) => {
    const redis = new Redis(url, {
      lazyConnect: true,
      connectTimeout: ANSWER_WITHIN_MS,
      commandTimeout: ANSWER_WITHIN_MS,
      retryStrategy: null,
    });
    redis.on('error', () => undefined); // the attempt below fails with it
    try {
      await redis.connect();
      await redis.ping();
    } finally {
      redis.disconnect();
    }
  },
  chroma: async (url) => {
    const answer = await fetch(new URL('/api/v2/heartbeat', url), { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    if (!answer.ok) throw new Error(`the heartbeat answered ${answer.status}`);
  },
};

async function askPostgres(url: string, statement: string): Promise<Record<string, unknown> | undefined> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: ANSWER_WITHIN_MS, query_timeout: ANSWER_WITHIN_MS });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows[0];
  } finally {
    await client.end();
  }
}

async function clockFinding(databaseUrl: string): Promise<Finding> {
  const before = Date.now();
  const row = await askPostgres(databaseUrl, `SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms`).catch(() => undefined);
  if (row === undefined) return { level: 'warn', says: 'Postgres could not be asked for the time' };
  // Its answer lies between asking and hearing; only what is outside of that is a difference.
  return clockDifference(Number(row['ms']), before, Date.now());
}

/** Exported for its test. All in milliseconds since 1970. */
export function clockDifference(there: number, askedAt: number, heardAt: number): Finding {
  const ms = Math.round(Math.max(0, askedAt - there, there - heardAt));
  const says = ms === 0 ? 'as in Postgres' : `${ms} ms away from that of Postgres`;
  if (ms < CLOCK.warnMs) return { level: 'ok', says };
  return { level: ms < CLOCK.failMs ? 'warn' : 'fail', says, toDo: 'synchronize both machines: timedatectl set-ntp true' };
}
