import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findProgram } from '../process/commands.js';
import type { ServerPackage } from './debian-packages.js';
import { chromaProgram } from '../servers/chroma.js';

/** The four servers that Parley stands on, in the order in which they are shown. */
export const dependencyNames = ['postgres', 'rabbitmq', 'redis', 'chroma'] as const;
export type DependencyName = (typeof dependencyNames)[number];

/** What Debian and Ubuntu call the packages. Chroma comes with `npm install`. */
export const serverPackages: Readonly<Record<Exclude<DependencyName, 'chroma'>, ServerPackage>> = {
  postgres: { name: 'postgresql', services: [] }, // starts clusters at boot, and there will be none
  rabbitmq: {
    name: 'rabbitmq-server',
    services: [
      { unit: 'rabbitmq-server.service', from: 'rabbitmq-server' },
      { unit: 'epmd.service', from: 'erlang-base' },
      { unit: 'epmd.socket', from: 'erlang-base' },
    ],
  },
  redis: { name: 'redis-server', services: [{ unit: 'redis-server.service', from: 'redis-server' }] },
};

/**
 * Where the program of a server is on this machine, or undefined. For Postgres it is the folder with `initdb` and `postgres`,
 * the newest one when there are several; for the others the program itself.
 */
export function findServer(name: DependencyName): string | undefined {
  switch (name) {
    case 'postgres':
      return newestPostgres() ?? folderOf(findProgram('initdb'), 'postgres');
    case 'rabbitmq':
      // Debian puts a wrapper on the PATH that insists on its own user and folders; the script behind it does not.
      return findProgram('epmd') === undefined
        ? undefined
        : (findProgram('/usr/lib/rabbitmq/bin/rabbitmq-server') ?? findProgram('rabbitmq-server'));
    case 'redis':
      return findProgram('redis-server') ?? findProgram('valkey-server');
    case 'chroma':
      return existsSync(chromaProgram) && hasChromaBinding() ? chromaProgram : undefined;
  }
}

function newestPostgres(): string | undefined {
  const folder = '/usr/lib/postgresql';
  const versions = existsSync(folder) ? readdirSync(folder).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => folderOf(findProgram(join(folder, version, 'bin', 'initdb')), 'postgres')).find(Boolean);
}

/** The real folder of a program when its companion is there too: a link on the PATH often points to the folder that has both. */
function folderOf(program: string | undefined, companion: string): string | undefined {
  if (program === undefined) return undefined;
  const folder = dirname(realpathSync(program));
  return findProgram(join(folder, companion)) === undefined ? undefined : folder;
}

/** The server is an optional native package, one per platform: npm leaves it out where there is none. */
function hasChromaBinding(): boolean {
  const folder = join(dirname(chromaProgram), '..', '..');
  return readdirSync(folder).some((name) => name.startsWith(`chromadb-js-bindings-${process.platform}-${process.arch}`));
}
