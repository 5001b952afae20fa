import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateServer } from '#lib/devstack/process/server-process';
import { findProgram } from '#lib/devstack/process/commands';
import type { ServiceName } from '#lib/devstack/services';
import type { FaultyWorld } from '#lib/testing/faulty-world';

/**
 * What goes wrong with processes of ours, while everything that they need is there. `blocked loop`: the event loop stands still for 2 s, again and
 * again, as seen from outside: SIGSTOP, and with SIGCONT all its timers are late at once. `no descriptors`: no more files and connections.
 */
export const processFaults = ['blocked loop', 'no descriptors'] as const;
export type ProcessFault = (typeof processFaults)[number];

/** How long the loop stands still, and how long it runs then. */
export const BLOCKED_MS = 2_000;
const RUNS_MS = 2_500;
/** Descriptors that a process has left, and connections that then want one. */
const SPARE_DESCRIPTORS = 3;
const CONNECTIONS = 40;

/** Why this machine cannot do it; undefined when it can. */
export const cannotDo = (mode: ProcessFault): string | undefined => {
  if (mode === 'no descriptors' && (process.platform !== 'linux' || findProgram('prlimit') === undefined))
    return 'where there is prlimit (Linux)';
  return undefined;
};

/** Begins. @returns ends it. */
export async function hurt(world: FaultyWorld, services: readonly ServiceName[], mode: ProcessFault): Promise<() => Promise<void>> {
  const servers = services.map((service) => world.parley[service]);
  switch (mode) {
    case 'blocked loop':
      return blockAgainAndAgain(servers);
    case 'no descriptors': {
      const ends = await Promise.all(servers.map(takeDescriptors));
      return async () => {
        for (const end of ends) await end();
      };
    }
    default:
      return mode satisfies never;
  }
}

async function blockAgainAndAgain(servers: readonly PrivateServer[]): Promise<() => Promise<void>> {
  const ending = new AbortController();
  const blocking = (async () => {
    while (!ending.signal.aborted) {
      await Promise.all(servers.map((server) => server.pause()));
      await sleep(BLOCKED_MS); // the fault itself
      await Promise.all(servers.map((server) => server.resume()));
      await sleep(RUNS_MS, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  })();
  return async () => {
    ending.abort();
    await blocking;
  };
}

async function takeDescriptors(server: PrivateServer): Promise<() => Promise<void>> {
  const { pid, url } = server;
  if (pid === undefined) throw new Error(`${url} does not run`);
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1];
  const limit = (count: string) => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${count}:`], { timeout: 5_000 });
  limit(String(readdirSync(`/proc/${pid}/fd`).length + SPARE_DESCRIPTORS));
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = Array.from(
    { length: CONNECTIONS },
    () => connect({ host: hostname, port: Number(port) }).on('error', () => undefined), // refused is what is expected
  );
  return async () => {
    for (const socket of sockets) socket.destroy();
    // One that ended of it is started again, as a supervisor would; its row says so.
    if (server.pid === pid) limit(soft ?? '1024');
    else await server.start();
  };
}
