import { join } from 'node:path';
import pg from 'pg';
import { asPrivateServer, type PrivateServer, ServerProcess } from '#lib/devstack/process/server-process';
import { projectRoot } from '#lib/devstack/project-root';
import type { RunningParley } from '#lib/testing/running-parley';
import type { Sender } from './load.js';

/** One of the three that are compared: where it listens, who sends to it, and which of its processes answers. */
export interface Target {
  readonly name: 'floor' | 'stock peer' | 'parley';
  readonly url: string;
  readonly senders: readonly Sender[];
}

/** Starts `dist/test/bench/<entry>` as a process of its own, ready when `/readyz` answers. */
export const startBenchServer = async (
  name: 'floor' | 'stock-peer',
  entry: string,
  folder: string,
  port: number,
  env: Readonly<Record<string, string>>,
): Promise<PrivateServer> => {
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(folder, `${name}.log`);
  const server = new ServerProcess({
    name,
    command: process.execPath,
    args: [join(projectRoot, 'dist', 'test', 'bench', entry)],
    env: { ...process.env, NODE_ENV: 'production', ...env, PORT: String(port) },
    cwd: projectRoot,
    logFile,
    pidFile: join(folder, `${name}.pid`),
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
    readyWithinMs: 30_000,
    probe: async (signal) => {
      const answer = await fetch(`${url}/readyz`, { signal });
      if (!answer.ok) throw new Error(`/readyz answered ${answer.status}`);
    },
  });
  await server.start();
  return asPrivateServer(name, url, logFile, server);
};

/** `count` senders that only need a path: the floor and the stock peer know no users. */
export const anonymousSenders = (count: number): Sender[] =>
  Array.from({ length: count }, (_, i) => ({ path: `/v1/conversations/${i}/messages`, headers: {} }));

/** `count` users, each with a token and a conversation of its own, made over REST. */
export const parleySenders = async (parley: RunningParley, count: number): Promise<Sender[]> => {
  const senders: Sender[] = [];
  for (let from = 0; from < count; from += 25) {
    const batch = Array.from({ length: Math.min(25, count - from) }, async (_, i) => {
      const user = `bench-${from + i}`;
      const client = await parley.client(user);
      const { id } = await client.createConversation({ memberIds: ['bench-reader'] });
      const token = await parley.tokenOf({ user, ttlSeconds: 24 * 3_600 });
      return { path: `/v1/conversations/${id}/messages`, headers: { authorization: `Bearer ${token}` } };
    });
    senders.push(...(await Promise.all(batch)));
  }
  return senders;
};

/** One row of one statement on a connection of its own, for what only the database can tell. */
export const askDatabase = async <Row extends pg.QueryResultRow>(databaseUrl: string, sql: string): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000, query_timeout: 60_000 });
  client.on('error', () => undefined); // the statement fails with it
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
};
