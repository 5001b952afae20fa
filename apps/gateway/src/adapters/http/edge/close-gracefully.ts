import type { Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';

/** How long clients may go on using their connections to learn that they should leave. */
const FAREWELL_MS = 1_000;
/** How often we look whether they have left. */
const CHECK_MS = 20;

/**
 * Lets go of clients without failing a request of theirs. Closing an HTTP server ends every connection that is idle at that moment, and a
 * request that is just on its way on one of them would be lost. So first only the door is closed, and for a second everything that comes on
 * open connections is answered, with `Connection: close`. Then what is idle is closed, and what becomes idle later too, instead of after
 * the keep-alive time of a minute; and what never sent anything, which Node does not call idle: browsers open connections ahead of need. Ends
 * when the last answer is out; the caller that stops the process decides how long that may take.
 * @returns whether this has begun.
 */
export const closeGracefully = (instance: FastifyInstance): { readonly hasBegun: boolean } => {
  const state = { hasBegun: false };
  const sockets = new Set<Socket>();
  instance.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  instance.addHook('preClose', async () => {
    state.hasBegun = true;
    const { server } = instance;
    if (!server.listening) return;
    // The close of the plain TCP server below it: no new connections, the open ones stay.
    NetServer.prototype.close.call(server);
    const endsAt = performance.now() + FAREWELL_MS;
    while ((await connectionCountOf(server)) > 0) {
      if (performance.now() > endsAt) {
        server.closeIdleConnections();
        for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      }
      await sleep(CHECK_MS);
    }
  });
  return state;
};

const connectionCountOf = (server: Server): Promise<number> =>
  new Promise((resolve) => server.getConnections((error, count) => resolve(error === null ? count : 0)));
