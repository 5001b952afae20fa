import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { asPrivateServer, type PrivateServer, ServerProcess } from '#lib/devstack/process/server-process';
import { projectRoot } from '#lib/devstack/project-root';
import { freePorts } from '#lib/devstack/ports/free-ports';
import type { CrowdSpec } from './crowd/crowd.js';
import { machineMs } from './crowd/clock.js';

export type LiveTargetName = 'parley' | 'socket.io' | 'stock Nest' | 'bare ws';

/** A conversation that a target has made: `memberCount` members, each with one socket to be. */
export interface LiveConversation {
  readonly id: string;
  readonly userIds: readonly string[];
}

/** One of those that are compared. Its server numbers the messages of a conversation 1, 2, 3, ... */
export interface LiveTarget {
  readonly name: LiveTargetName;
  /** The processes that hold the sockets. */
  readonly nodes: readonly PrivateServer[];
  /** Makes conversations of `memberCount` other users each. */
  makeConversations(count: number, memberCount: number): Promise<LiveConversation[]>;
  /** Members for the load generator, spread over `nodes` in turn; with one node index given, all there first. */
  crowdOf(conversations: readonly LiveConversation[], options: { capacity: number; firstNode?: number }): Promise<CrowdSpec>;
  /** @throws when the answer is not 202. */
  send(conversation: LiveConversation, content: string): Promise<Sent>;
}

/** A message that was acknowledged. */
export interface Sent {
  readonly seq: number;
  /** On the machine's clock. */
  readonly ackAt: number;
}

/** Where the sockets of a member connect to: node `first`, then the others in turn. */
export const urlsFrom = (nodes: readonly PrivateServer[], first: number, path: string): string[] =>
  nodes.map((_, i) => `${(nodes[(first + i) % nodes.length]?.url ?? '').replace('http', 'ws')}${path}`);

const ANSWER_WITHIN_MS = 20_000;
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** Posts JSON. @returns when the last byte of the answer came. @throws unless it is 202. */
export const post = (url: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<{ ackAt: number; text: string }> =>
  new Promise((resolve, reject) => {
    const json = JSON.stringify(body);
    const sending = request(url, {
      method: 'POST',
      agent,
      timeout: ANSWER_WITHIN_MS,
      headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) },
    });
    sending.once('timeout', () => sending.destroy(new Error(`no answer from ${url}`)));
    sending.on('error', reject);
    sending.once('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.once('end', () => {
        if (answer.statusCode === 202) resolve({ ackAt: machineMs(), text });
        else reject(new Error(`${url} answered ${answer.statusCode}: ${text.slice(0, 200)}`));
      });
    });
    sending.end(json);
  });

/** Starts `count` processes of a peer. */
export const startPeer = async (
  entry: string,
  folder: string,
  count: number,
  env: Readonly<Record<string, string>>,
): Promise<PrivateServer[]> => {
  const ports = await freePorts(count);
  const name = entry.replaceAll('/', '-');
  const servers = ports.map((port, i) => {
    const url = `http://127.0.0.1:${port}`;
    const logFile = join(folder, `${name}-${i}.log`);
    const server = new ServerProcess({
      name,
      command: process.execPath,
      args: [join(projectRoot, 'dist/test/bench/live/peers', `${entry}.js`)],
      env: { ...process.env, NODE_ENV: 'production', ...env, PORT: String(port) },
      cwd: projectRoot,
      logFile,
      pidFile: join(folder, `${name}-${i}.pid`),
      stopSignal: 'SIGTERM',
      stopWithinMs: 5_000,
      readyWithinMs: 30_000,
      probe: async (signal) => {
        const answer = await fetch(`${url}/readyz`, { signal });
        await answer.body?.cancel();
        if (!answer.ok) throw new Error(`/readyz answered ${answer.status}`);
      },
    });
    return asPrivateServer(name, url, logFile, server);
  });
  await Promise.all(servers.map((server) => server.start()));
  return servers;
};
