import type { Server, Socket } from 'node:net';
import { metrics } from '../metrics/metrics.js';
import { remoteAddressOf } from './remote-address.js';

/** How many connections a server has open at once. 0 = no limit. */
export interface ConnectionLimits {
  readonly max: number;
  /** Of one remote address. Behind a load balancer all connections have its address. */
  readonly maxPerAddress: number;
}

/**
 * Keeps a server from holding more connections than it should: each costs memory and a file descriptor, also when it never sends anything.
 * Beyond `max` a connection is dropped unanswered; beyond its address' share it is handed to `refuse`, which must end it.
 */
export const limitConnections = (server: Server, { max, maxPerAddress }: ConnectionLimits, refuse: (socket: Socket) => void): void => {
  if (max > 0) server.maxConnections = max;
  server.on('drop', () => metrics.connectionsRefused.inc({ scope: 'all' }));
  const counts = new Map<string, number>();
  server.on('connection', (socket) => {
    const address = remoteAddressOf(socket.remoteAddress);
    const count = (counts.get(address) ?? 0) + 1;
    counts.set(address, count);
    socket.once('close', () => {
      const left = (counts.get(address) ?? 0) - 1;
      if (left > 0) counts.set(address, left);
      else counts.delete(address);
    });
    if (maxPerAddress === 0 || count <= maxPerAddress) return;
    metrics.connectionsRefused.inc({ scope: 'address' });
    refuse(socket);
  });
};
