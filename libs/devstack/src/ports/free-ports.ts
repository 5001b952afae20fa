import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Whether no process listens on this TCP port, on the loopback address or on all of them. */
export async function isPortFree(port: number): Promise<boolean> {
  // A listener on 0.0.0.0 does not always stop a bind to 127.0.0.1, and the other way round: ask for both.
  return (await canListen(port, '127.0.0.1')) && (await canListen(port, undefined));
}

/**
 * Below the range from which systems take the local port of outgoing connections (32768 and up on Linux, 49152 elsewhere):
 * a server that is restarted on its port must not find it taken by a client's outgoing connection, and a client that keeps trying
 * a closed port there can end up connected to itself.
 */
const RANGE = { from: 15_000, to: 32_000 };

/** `count` different TCP ports that were free a moment ago. @throws when a hundred tries per port found none. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let attempt = 0; attempt < 100 * count && found.size < count; attempt++) {
    const port = randomInt(RANGE.from, RANGE.to);
    if (!found.has(port) && (await isPortFree(port))) found.add(port);
  }
  if (found.size < count) throw new Error(`no ${count} free TCP ports between ${RANGE.from} and ${RANGE.to}`);
  return [...found];
}

function canListen(port: number, host: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, exclusive: true, ...(host === undefined ? {} : { host }) }, () => server.close(() => resolve(true)));
  });
}
