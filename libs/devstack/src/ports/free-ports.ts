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

/** How far apart two processes with numbers next to each other begin to look: farther than one asks for in its life. */
const APART = 100;
/** Of this process: what it has given away may be listened at seconds later, and is given away once. */
let next = RANGE.from + ((process.pid * APART) % (RANGE.to - RANGE.from));

/**
 * `count` different TCP ports that were free a moment ago, none of which this process has had before. Test files run side by side and listen seconds
 * after they have asked, so each process looks in a part of the range of its own. @throws when the whole range has not so many.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  for (let looked = 0; looked < RANGE.to - RANGE.from && found.length < count; looked += 1) {
    const port = next;
    next = port + 1 < RANGE.to ? port + 1 : RANGE.from;
    if (await isPortFree(port)) found.push(port);
  }
  if (found.length < count) throw new Error(`no ${count} free TCP ports between ${RANGE.from} and ${RANGE.to}`);
  return found;
}

function canListen(port: number, host: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, exclusive: true, ...(host === undefined ? {} : { host }) }, () => server.close(() => resolve(true)));
  });
}
