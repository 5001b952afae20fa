import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { asPrivateServer, ServerProcess, type PrivateServer } from '../process/server-process.js';

/** Where and how a private Redis runs. */
export interface RedisOptions {
  /** `redis-server` or `valkey-server`. */
  readonly program: string;
  /** Folder of its own: settings, data. Made when missing, readable by its owner only. */
  readonly folder: string;
  readonly port: number;
  readonly password: string;
  readonly logFile: string;
  /** Says who the running server is; see `fromPidFile`. */
  readonly pidFile: string;
  /** Gives up a start that is under way. */
  readonly cancelled?: AbortSignal | undefined;
}

/** Starts a Redis that holds nothing across a restart: Parley treats it as a bus and a cache, and so must its tests. */
export async function startRedis(options: RedisOptions): Promise<PrivateServer> {
  const settings = await writeSettings(options);
  const server = new ServerProcess({
    name: 'redis',
    command: options.program,
    args: [settings],
    env: process.env,
    cwd: options.folder,
    logFile: options.logFile,
    pidFile: options.pidFile,
    cancelled: options.cancelled,
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
    readyWithinMs: 10_000,
    probe: (deadline) => ping(options, deadline),
  });
  await server.start();
  return asPrivateServer('redis', `redis://:${options.password}@127.0.0.1:${options.port}`, options.logFile, server);
}

async function writeSettings({ folder, port, password }: RedisOptions): Promise<string> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o700);
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${password}`,
    // No `dir`: it is the working directory, and a path would have to be quoted in Redis' own way. DEBUG stays off, as Redis has it.
    'daemonize no',
    'save ""',
    'appendonly no',
  ];
  const path = join(folder, 'redis.conf');
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  return path;
}

/** PING over a bare socket, so that no client library decides to reconnect or to wait. */
function ping({ port, password }: RedisOptions, deadline: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', signal: deadline });
    let answer = '';
    socket.setEncoding('utf8').once('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.on('data', (chunk: string) => {
      answer += chunk;
      if (answer.includes('+PONG')) settle();
      else if (/^-/m.test(answer)) settle(new Error(`redis answered ${answer.trim()}`));
    });
    socket.once('error', settle).once('close', () => settle(new Error('redis closed the connection')));
    function settle(error?: Error): void {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    }
  });
}
