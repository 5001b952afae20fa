import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChroma } from './servers/chroma.js';
import { packageInstaller, type Progress } from './provisioning/debian-packages.js';
import { freePorts } from './ports/free-ports.js';
import { startPostgres } from './servers/postgres.js';
import { reachableFolder, unprivilegedUser } from './process/unprivileged-user.js';
import { dependencyNames, findServer, type DependencyName } from './provisioning/programs.js';
import { decideSources, installServers, refuseIfMissing, serverProgram } from './provisioning/provisioning.js';
import { startRabbitmq, type PrivateRabbitmq } from './servers/rabbitmq.js';
import { startRedis } from './servers/redis.js';
import type { PrivateServer } from './process/server-process.js';

/** Which servers to start and where. */
export interface PrivateStackOptions {
  /** Folder for data and logs; kept on stop. Without it: a new one under the system's temporary folder, removed on stop. */
  readonly folder?: string;
  /** Default: all four. */
  readonly only?: readonly DependencyName[];
  /** Told about installation and starting. Default: silent. */
  readonly progress?: Progress;
}

/** Four servers on free ports that belong to one test run or one test. A URL of a server that was not asked for throws when read. */
export interface PrivateStack {
  readonly databaseUrl: string;
  readonly rabbitmqUrl: string;
  /** With user and password in it; `fetch` refuses those in a URL, so turn them into a Basic authorization header. */
  readonly rabbitmqManagementUrl: string;
  readonly redisUrl: string;
  readonly chromaUrl: string;
  readonly postgres: PrivateServer;
  readonly rabbitmq: PrivateRabbitmq;
  readonly redis: PrivateServer;
  readonly chroma: PrivateServer;
  /** Ends all of it, within seconds and without waiting for clients to leave. */
  stop(): Promise<void>;
}

/**
 * Starts private Postgres, RabbitMQ, Redis and Chroma, or some of them, side by side. Programs that are missing are installed
 * first where the machine allows it. Environment variables such as DATABASE_URL play no part: a test never touches
 * a server that it did not start. Should this process die, a shell that watches over it kills what it left behind.
 * @throws when a program is missing or a server does not come up; then nothing is left running.
 */
export async function startPrivateStack(options: PrivateStackOptions = {}): Promise<PrivateStack> {
  const wanted = options.only ?? dependencyNames;
  await providePrograms(wanted, options.progress ?? (() => undefined));
  const folder = options.folder ?? (await mkdtemp(join(await temporaryFolder(), 'parley-stack-')));
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o711); // Postgres runs as another user when we are root and must pass through
  const watcher = watchOver(folder, options.folder === undefined);
  const running = await startAll(wanted, folder);
  const stop = async () => {
    await Promise.all(Object.values(running.servers).map((server) => (options.folder === undefined ? server.kill() : server.stop())));
    watcher.dismiss();
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
  };
  if (running.failure !== undefined) {
    await stop();
    throw running.failure;
  }
  return withUrls(running.servers, stop);
}

/** Where Postgres' user may pass too: a root whose TMPDIR is closed to others gets the folder that is open to all. */
async function temporaryFolder(): Promise<string> {
  const usual = tmpdir();
  return reachableFolder(usual, await unprivilegedUser()) === usual ? usual : '/var/tmp';
}

type Servers = { postgres?: PrivateServer; rabbitmq?: PrivateRabbitmq; redis?: PrivateServer; chroma?: PrivateServer };

async function providePrograms(wanted: readonly DependencyName[], progress: Progress): Promise<void> {
  const sources = await decideSources(wanted, {
    urlOf: () => undefined,
    dockerAnswers: async () => false,
    isInstalled: (name) => findServer(name) !== undefined,
    canInstallPackages: async () => (await packageInstaller()) !== undefined,
  });
  refuseIfMissing(sources);
  await installServers(sources, progress);
}

async function startAll(wanted: readonly DependencyName[], folder: string): Promise<{ servers: Servers; failure?: Error }> {
  const [postgresPort = 0, amqp = 0, management = 0, distribution = 0, nameServer = 0, redisPort = 0, chromaPort = 0] = await freePorts(7);
  const password = randomBytes(18).toString('base64url');
  const place = (name: DependencyName) => ({
    folder: join(folder, name),
    logFile: join(folder, `${name}.log`),
    pidFile: join(folder, `${name}.pid`),
    password,
  });
  const servers: Servers = {};
  const starters: Record<DependencyName, () => Promise<unknown>> = {
    postgres: async () => {
      const as = await unprivilegedUser();
      const data = reachableFolder(join(folder, 'postgres'), as);
      servers.postgres = await startPostgres({
        ...place('postgres'),
        folder: data,
        programs: serverProgram('postgres'),
        port: postgresPort,
        as,
      });
    },
    rabbitmq: async () => {
      const ports = { port: amqp, managementPort: management, distributionPort: distribution, nameServerPort: nameServer };
      servers.rabbitmq = await startRabbitmq({ ...place('rabbitmq'), ...ports, program: serverProgram('rabbitmq') });
    },
    redis: async () => {
      servers.redis = await startRedis({ ...place('redis'), program: serverProgram('redis'), port: redisPort });
    },
    chroma: async () => {
      servers.chroma = await startChroma({ ...place('chroma'), port: chromaPort });
    },
  };
  const outcomes = await Promise.allSettled(wanted.map((name) => starters[name]()));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  return failed === undefined
    ? { servers }
    : { servers, failure: failed.reason instanceof Error ? failed.reason : new Error(String(failed.reason)) };
}

function withUrls(servers: Servers, stop: () => Promise<void>): PrivateStack {
  const asked = <T>(name: DependencyName, server: T | undefined): T => {
    if (server === undefined) throw new Error(`this stack was started without ${name}`);
    return server;
  };
  return {
    get postgres() {
      return asked('postgres', servers.postgres);
    },
    get rabbitmq() {
      return asked('rabbitmq', servers.rabbitmq);
    },
    get redis() {
      return asked('redis', servers.redis);
    },
    get chroma() {
      return asked('chroma', servers.chroma);
    },
    get databaseUrl() {
      return this.postgres.url;
    },
    get rabbitmqUrl() {
      return this.rabbitmq.url;
    },
    get rabbitmqManagementUrl() {
      return this.rabbitmq.managementUrl;
    },
    get redisUrl() {
      return this.redis.url;
    },
    get chromaUrl() {
      return this.chroma.url;
    },
    stop,
  };
}

/**
 * A shell that reads from a pipe which closes when this process ends, however it ends. It then kills every process group that
 * a pid file in the folder names, and removes the folder when it is a temporary one.
 */
export function watchOver(folder: string, isTemporary: boolean): { dismiss: () => void } {
  const script = [
    'read -r word; [ "$word" = dismissed ] && exit 0',
    'for file in "$0"/*.pid; do read -r pid started < "$file" && kill -s KILL -- "-$pid"; done',
    // Twice: Postgres needs a moment to notice, and may write until then.
    isTemporary ? 'sleep 1; rm -rf "$0"; sleep 1; rm -rf "$0"' : '',
  ].join('\n');
  const shell = spawn('/bin/sh', ['-c', script, folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  shell.unref();
  if (shell.stdin instanceof Socket) shell.stdin.unref(); // the open pipe must not keep this process alive
  shell.stdin.on('error', () => undefined); // it may have gone before us
  return { dismiss: () => shell.stdin.end('dismissed\n') };
}
