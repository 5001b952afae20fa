import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { FaultyDependency, FaultyWorld, OutageMode } from '#lib/testing/faulty-world';
import { processes, type ServiceName } from '#lib/devstack/services';
import { hurt, type ProcessFault } from '../faults/process-faults.js';
import type { PrivateServer } from '#lib/devstack/process/server-process';

/** What a fault hits, and with that what may be expected of sends meanwhile. */
export type Target = ServiceName | Exclude<FaultyDependency, 'llm' | 'objectStore' | 'memory' | 'fcm' | 'collector' | 'webhook'>;

/** One thing that goes wrong. */
export interface ChaosFault {
  readonly name: string;
  readonly target: Target;
  /** Makes it go wrong. @returns makes it good again, as a supervisor or an operator would. */
  readonly inflict: (world: FaultyWorld) => Promise<() => Promise<void>>;
  readonly holdMs: number;
  /** Law 3: first success after the fault clears. */
  readonly recoverWithinMs: number;
  /** Part of `--quick`. */
  readonly isQuick?: true;
  /** Not one for the mix: it outlasts it, or hits what another fault of the mix needs. */
  readonly isLong?: true;
}

/** Law 3; a process of ours has to start, for which its supervisor gives it 15 s. */
const RECOVER_MS: Readonly<Record<Target, number>> = {
  gateway: 15_000,
  realtime: 15_000,
  delivery: 15_000,
  embedding: 15_000,
  scoring: 15_000,
  ops: 15_000,
  postgres: 12_000,
  redis: 12_000,
  chroma: 12_000,
  rabbitmq: 20_000,
  embedder: 62_000,
};

const fault = (
  target: Target,
  what: string,
  holdMs: number,
  inflict: ChaosFault['inflict'],
  more: Partial<Pick<ChaosFault, 'isQuick' | 'isLong'>> = {},
): ChaosFault => ({ name: `${target}: ${what}`, target, holdMs, inflict, recoverWithinMs: RECOVER_MS[target], ...more });

const serverOf = ({ parley, stack }: FaultyWorld, target: Exclude<Target, 'embedder'>): PrivateServer =>
  isService(target) ? parley[target] : stack[target];

function isService(target: Target): target is ServiceName {
  return processes.services.some(({ app }) => app === target);
}

const killed =
  (target: Exclude<Target, 'embedder'>): ChaosFault['inflict'] =>
  async (world) => {
    const server = serverOf(world, target);
    await server.kill();
    return () => server.start();
  };

const stopped =
  (target: Exclude<Target, 'embedder'>): ChaosFault['inflict'] =>
  async (world) => {
    const server = serverOf(world, target);
    await server.pause();
    return () => server.resume();
  };

/** What the slow one writes lands after what the quick one writes: an edit must not be undone by the text before it. */
const secondIndexerSlow: ChaosFault['inflict'] = (world) => world.slowSecondIndexer(700);

const outage =
  (dependency: FaultyDependency, mode: OutageMode): ChaosFault['inflict'] =>
  (world) =>
    world.takeAway(dependency, mode);

/** Redis ends it by itself. */
const REDIS_PAUSE_MS = 4_000;
const redisPaused: ChaosFault['inflict'] = async (world) => {
  await world.pauseRedis(REDIS_PAUSE_MS);
  return async () => undefined;
};

/** `pg_ctl stop -m immediate`: no farewell to clients, recovery at the next start. */
const stoppedAtOnce: ChaosFault['inflict'] = async ({ stack }) => {
  const { postgres } = stack;
  if (postgres.pid !== undefined) process.kill(postgres.pid, 'SIGQUIT');
  while (postgres.pid !== undefined) await sleep(20);
  return () => postgres.start();
};

const connectionsClosed: ChaosFault['inflict'] = async ({ stack }) => {
  await stack.rabbitmq.rabbitmqctl(['close_all_connections', 'chaos']);
  return async () => undefined;
};

const sessionsTerminated: ChaosFault['inflict'] = async (world) => {
  const stopping = new AbortController();
  const terminating = (async () => {
    while (!stopping.signal.aborted) {
      await world.terminateSessions().catch(() => undefined); // once more in a moment
      await sleep(200);
    }
  })();
  return async () => {
    stopping.abort();
    await terminating;
  };
};

/** A migration without the lock_timeout that it should have had. */
const tableLocked: ChaosFault['inflict'] = async ({ parley }) => {
  const client = new Client({ connectionString: parley.databaseUrl, connectionTimeoutMillis: 5_000, query_timeout: 20_000 });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('begin');
  await client.query('lock table messages in access exclusive mode');
  return async () => {
    await client.query('rollback');
    await client.end();
  };
};

/** What the table of faults does to a process of ours. */
const trouble =
  (service: ServiceName, mode: ProcessFault): ChaosFault['inflict'] =>
  (world) =>
    hurt(world, [service], mode);

/** Another session holds the row of a conversation that is written to. */
const rowLocked: ChaosFault['inflict'] = async ({ parley }) => {
  const client = new Client({ connectionString: parley.databaseUrl, connectionTimeoutMillis: 5_000, query_timeout: 20_000 });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('begin');
  await client.query('select from conversations order by id limit 1 for update');
  return async () => {
    await client.query('rollback').catch(() => undefined); // another fault may have ended the session
    await client.end();
  };
};

/** One after another, in this order; `--quick` takes those that are marked, `--long` takes from all of them at random. */
export const chaosFaults: readonly ChaosFault[] = [
  fault('gateway', 'SIGKILL', 500, killed('gateway'), { isQuick: true }),
  fault('gateway', 'SIGSTOP', 4_000, stopped('gateway')),
  fault('gateway', 'event loop stands still', 7_000, trouble('gateway', 'blocked loop')),
  fault('gateway', 'no descriptors', 4_000, trouble('gateway', 'no descriptors')),
  fault('realtime', 'SIGKILL, with its sockets', 2_000, killed('realtime'), { isQuick: true }),
  fault('realtime', 'SIGSTOP', 4_000, stopped('realtime')),
  fault('realtime', 'event loop stands still', 7_000, trouble('realtime', 'blocked loop')),
  fault('delivery', 'SIGKILL in the middle of a fan-out', 2_000, killed('delivery'), { isQuick: true }),
  fault('delivery', 'SIGSTOP', 6_000, stopped('delivery')),
  fault('embedding', 'SIGKILL', 2_000, killed('embedding'), { isQuick: true }),
  fault('embedding', 'SIGSTOP', 6_000, stopped('embedding'), { isQuick: true }),
  fault('embedding', 'one of two is slow towards Chroma', 6_000, secondIndexerSlow, { isQuick: true }),
  fault('scoring', 'SIGKILL', 2_000, killed('scoring'), { isQuick: true }),
  fault('ops', 'SIGKILL', 2_000, killed('ops')),
  fault('scoring', 'SIGSTOP', 6_000, stopped('scoring')),
  fault('ops', 'SIGSTOP', 6_000, stopped('ops')),
  fault('rabbitmq', 'SIGKILL', 2_000, killed('rabbitmq'), { isQuick: true }),
  fault('rabbitmq', 'SIGSTOP', 8_000, stopped('rabbitmq')),
  fault('rabbitmq', 'black hole', 8_000, outage('rabbitmq', 'black hole')),
  fault('rabbitmq', 'memory alarm', 6_000, outage('rabbitmq', 'blocked')),
  fault('rabbitmq', 'disk alarm', 6_000, outage('rabbitmq', 'disk alarm')),
  fault('rabbitmq', 'refused', 5_000, outage('rabbitmq', 'refused')),
  fault('rabbitmq', 'close_all_connections', 1_000, connectionsClosed),
  fault('rabbitmq', 'write permission revoked', 6_000, outage('rabbitmq', 'erroring')),
  fault('postgres', 'immediate stop', 3_000, stoppedAtOnce, { isQuick: true }),
  fault('postgres', 'black hole', 10_000, outage('postgres', 'black hole')),
  fault('postgres', 'pg_terminate_backend, again and again', 4_000, sessionsTerminated),
  fault('postgres', 'read-only', 4_000, outage('postgres', 'erroring')),
  fault('postgres', 'messages locked', 4_000, tableLocked),
  fault('postgres', 'too many connections', 4_000, outage('postgres', 'no connections')),
  fault('postgres', 'a row locked', 5_000, rowLocked),
  fault('postgres', 'refused', 4_000, outage('postgres', 'refused')),
  fault('redis', 'SIGKILL', 3_000, killed('redis')),
  fault('redis', 'SIGSTOP', 5_000, stopped('redis'), { isQuick: true }),
  fault('redis', 'black hole', 8_000, outage('redis', 'black hole'), { isQuick: true }),
  fault('redis', 'CLIENT PAUSE', REDIS_PAUSE_MS, redisPaused, { isQuick: true }),
  fault('redis', 'refused', 4_000, outage('redis', 'refused')),
  fault('redis', 'out of memory', 4_000, outage('redis', 'out of memory')),
  fault('redis', 'READONLY', 4_000, outage('redis', 'erroring')),
  fault('chroma', 'SIGKILL', 3_000, killed('chroma'), { isQuick: true }),
  fault('chroma', 'SIGSTOP', 6_000, stopped('chroma')),
  fault('chroma', 'black hole', 6_000, outage('chroma', 'black hole')),
  fault('chroma', 'refused', 4_000, outage('chroma', 'refused')),
  fault('chroma', 'answers 500', 4_000, outage('chroma', 'erroring')),
  fault('embedder', 'black hole', 6_000, outage('embedder', 'black hole'), { isLong: true }),
  fault('embedder', 'answers 500', 5_000, outage('embedder', 'erroring'), { isLong: true }),
];
