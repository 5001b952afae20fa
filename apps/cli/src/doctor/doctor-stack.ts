import { type DependencyName, dependencyNames } from '#lib/devstack/provisioning/programs';
import { urlVariables } from '#lib/devstack/provisioning/provisioning';
import { isReady } from '#lib/devstack/supervisor/is-ready';
import { runningStack } from '#lib/devstack/home/running-stack';
import { commandFor } from '#lib/devstack/installation';
import { operatorEnvironment } from '../operator/operator-config.js';
import type { StackState } from '#lib/devstack/home/state';
import { withoutLogin } from '#lib/devstack/terminal/url-login';
import { askPostgres, askServer } from '../adapters/servers.js';
import type { Check, Finding } from './check.js';

/** Ids, tokens and leases carry times: above a second of difference they begin to disagree. */
const CLOCK = { warnMs: 1_000, failMs: 30_000 };

/** What can only be asked of what runs: the servers that the environment or the running Parley names, their clock, the services. */
export async function stackChecks(): Promise<Check[]> {
  const { env } = await operatorEnvironment();
  const stack = await runningStack();
  const named = dependencyNames.flatMap((name): Check[] => {
    const url = env[urlVariables[name]];
    return url === undefined || isInside(stack, url) ? [] : [{ name, run: () => reached(name, url) }];
  });
  const { DATABASE_URL: databaseUrl } = env;
  return [
    ...named,
    ...(databaseUrl === undefined ? [] : [{ name: 'clock', run: () => clockFinding(databaseUrl) }]),
    ...(stack === undefined ? [{ name: 'services', run: notRunning }] : servicesOf(stack)),
  ];
}

/** Of one process: a part of it stands for this server, and its address leads nowhere. */
function isInside(stack: StackState | undefined, url: string): boolean {
  return stack?.embedded !== undefined && new URL(url).hostname.endsWith('.invalid');
}

function notRunning(): Finding {
  return { level: 'ok', says: 'Parley is not running here', toDo: commandFor('start') };
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
    await askServer[name](url);
    return { level: 'ok', says: `answers at ${withoutLogin(url)} (${Math.round(performance.now() - startedAt)} ms)` };
  } catch (error) {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    return { level: 'fail', says: `${withoutLogin(url)}: ${reason}`, toDo: `is it running, and is ${urlVariables[name]} right?` };
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
