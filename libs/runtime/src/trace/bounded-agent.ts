import type { Agent, ClientRequestArgs } from 'node:http';
import type { Socket } from 'node:net';

/** As for every dependency behind HTTP (docs/concepts/resilience.md). */
const CONNECT_MS = 2_000;

type Connect = (options: ClientRequestArgs, callback?: unknown) => Socket;

/**
 * Makes agents whose connections end in any case: one that is not there after 2 s, and each after `lifeMs`. The SDK's own limit is one of silence,
 * which a server that sends a byte now and then never meets.
 */
export const agentFactory =
  (lifeMs: number) =>
  async (protocol: string): Promise<Agent> => {
    const { Agent: Kind } = protocol === 'https:' ? await import('node:https') : await import('node:http');
    const agent = new Kind({ keepAlive: false });
    const bare = agent as unknown as { createConnection: Connect };
    const connect = bare.createConnection.bind(agent);
    bare.createConnection = (options, callback) => bounded(connect(options, callback), protocol, lifeMs);
    return agent;
  };

const bounded = (socket: Socket, protocol: string, lifeMs: number): Socket => {
  const connecting = setTimeout(() => socket.destroy(timedOut('no connection')), CONNECT_MS);
  const living = setTimeout(() => socket.destroy(timedOut('no end')), lifeMs);
  socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', () => clearTimeout(connecting));
  socket.once('close', () => {
    clearTimeout(connecting);
    clearTimeout(living);
  });
  return socket;
};

const timedOut = (what: string): Error => Object.assign(new Error(`${what} in time`), { code: 'ETIMEDOUT' });
