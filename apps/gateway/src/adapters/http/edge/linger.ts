import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

/**
 * Ends a connection whose request was answered before its body had arrived, after `lingerMs` in which Node goes on reading and throws it away:
 * a client that is still writing could not read the answer from a connection that was reset. A body that arrives whole in that time costs nothing
 * more, and the connection stays. To be called when the response is finished.
 */
export const linger = (request: IncomingMessage, lingerMs: number): void => {
  const { socket } = request;
  if (request.complete || !(socket instanceof Socket) || socket.destroyed) return;
  setTimeout(() => {
    if (!request.complete) socket.destroy();
  }, lingerMs).unref();
};
