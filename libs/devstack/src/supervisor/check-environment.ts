import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { timeoutChain, verifyTimeoutChain } from '#lib/resilience/call/timeout-chain';
import { type Config, ConfigError, EXIT_CONFIG, parseConfig } from '#lib/runtime/config/config';
import { routeDeadlinesMs } from '#lib/contracts/route-deadlines';
import { Explained } from '../terminal/explain.js';
import { parleyHome } from '../home/home.js';
import { PortProblem, portWishes } from '../ports/port-plan.js';

/** A process that listens; see PortWish. */
type PortRow = Parameters<typeof portWishes>[0][number];

/** `npm start` provides these itself when they are not given. */
const PROVIDED = { DATABASE_URL: 'postgres://private', RABBITMQ_URL: 'amqp://private', CHROMA_URL: 'http://private' } as const;
/** One number that is too high collides with the deadline of every route. */
const LISTED_COLLISIONS = 3;

/** All that is wrong with what the environment asks of `npm start`, one line each: the services' settings, the ports, the home. */
export function environmentProblems(rows: readonly PortRow[], env: NodeJS.ProcessEnv): string[] {
  return [...homeProblems(env), ...portProblems(rows, env), ...settingProblems(env)];
}

/** @throws Explained, exit code 78, with every problem at once. Takes milliseconds and touches nothing. */
export function refuseBadEnvironment(rows: readonly PortRow[], env: NodeJS.ProcessEnv): void {
  const problems = environmentProblems(rows, env);
  if (problems.length === 0) return;
  const list = problems.map((problem) => `  - ${problem}`).join('\n');
  throw new Explained(
    `nothing was started: the environment has ${problems.length === 1 ? 'a setting' : `${problems.length} settings`} that cannot work\n${list}\nAll settings: docs/reference/configuration.md`,
    EXIT_CONFIG,
  );
}

function homeProblems(env: NodeJS.ProcessEnv): string[] {
  const { folder } = parleyHome(env);
  if (/[\n\r\0]/.test(folder)) return ['PARLEY_HOME: has a line break in it'];
  const there = nearestExisting(folder);
  if (!statSync(there).isDirectory()) return [`PARLEY_HOME: ${there} is not a folder`];
  // Who owns a home that exists is asked in home-owner.ts, which knows a way out.
  if (there !== folder && !isWritable(there)) return [`PARLEY_HOME: cannot make ${folder}, because ${there} cannot be written`];
  return [];
}

function portProblems(rows: readonly PortRow[], env: NodeJS.ProcessEnv): string[] {
  try {
    portWishes(rows, env);
    return [];
  } catch (error) {
    if (!(error instanceof PortProblem)) throw error;
    return error.message.split('\n');
  }
}

function settingProblems(env: NodeJS.ProcessEnv): string[] {
  const isGiven = (name: string) => Boolean(env[name]?.trim()) || Boolean(env[`${name}_FILE`]?.trim());
  const provided = Object.fromEntries(Object.entries(PROVIDED).filter(([name]) => !isGiven(name)));
  try {
    return collisionsOf(parseConfig({ ...env, ...provided }));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [...error.problems];
  }
}

function collisionsOf(config: Config): string[] {
  const collisions = new Set<string>();
  for (const [name, deadlineMs] of Object.entries(routeDeadlinesMs)) {
    try {
      verifyTimeoutChain(timeoutChain(config, { name, deadlineMs }));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const problem of error.problems) collisions.add(problem);
    }
  }
  return [...collisions].slice(0, LISTED_COLLISIONS);
}

function nearestExisting(folder: string): string {
  return existsSync(folder) ? folder : nearestExisting(dirname(folder));
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
