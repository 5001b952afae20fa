import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from './eventually.js';
import { FaultProxy } from './fault-proxy.js';

/** A client that remembers what happened to it. */
class Client {
  readonly socket: Socket;
  received = '';
  events: string[] = [];

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('connect', () => this.events.push('connected'));
    this.socket.on('data', (data) => {
      this.received += data.toString();
    });
    this.socket.on('end', () => this.events.push('end'));
    this.socket.on('error', (error: NodeJS.ErrnoException) => this.events.push(error.code ?? 'error'));
  }

  /** Says something and waits until all that was ever received is `echo`. */
  async says(text: string, echo: string): Promise<void> {
    this.socket.write(text);
    await eventually(() => {
      if (this.received !== echo) throw new Error(`received ${this.received}, not ${echo}`);
    });
  }
}

describe('a fault proxy', () => {
  let server: Server;
  let proxy: FaultProxy;
  let serverSockets: Socket[];
  let atServer: string;
  let clients: Client[];

  beforeEach(async () => {
    serverSockets = [];
    clients = [];
    atServer = '';
    server = createServer({ allowHalfOpen: true }, (socket) => {
      serverSockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        atServer += data.toString();
        socket.write(data);
      });
      socket.on('end', () => socket.end());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    proxy = await FaultProxy.before(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  afterEach(async () => {
    for (const { socket } of clients) socket.destroy();
    await proxy.stop();
    for (const socket of serverSockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  const client = (): Client => {
    const made = new Client(proxy.port);
    clients.push(made);
    return made;
  };
  // Long enough for a round trip through the proxy to have been seen, were there one.
  const aWhile = () => new Promise((resolve) => setTimeout(resolve, 60));

  it('forwards both ways, and the end of either side', async () => {
    const one = client();
    await one.says('hello', 'hello');
    one.socket.end(' and bye');
    await eventually(() => expect([one.received, one.events]).toEqual(['hello and bye', ['connected', 'end']]));
    await eventually(() => expect(proxy.connectionCount).toBe(0));
  });

  it('gives a URL through itself', () => {
    expect(proxy.through('postgres://user:secret@db.example:5432/parley?x=1')).toBe(
      `postgres://user:secret@127.0.0.1:${proxy.port}/parley?x=1`,
    );
  });

  it('refuses new connections, leaves established ones alone, and comes back on the same port', async () => {
    const [before, port] = [client(), proxy.port];
    await before.says('a', 'a');
    // Systems take the ports of outgoing connections from 32768 on, also one that is closed just now.
    expect(proxy.port).toBeLessThan(32_768);
    await proxy.set({ kind: 'refuse' });
    const refused = client();
    await eventually(() => expect(refused.events).toEqual(['ECONNREFUSED']));
    await before.says('b', 'ab');
    await proxy.heal();
    expect(proxy.port).toBe(port);
    await client().says('c', 'c');
  });

  it('delays what passes and keeps its order', async () => {
    await proxy.set({ kind: 'latency', ms: 30, jitterMs: 30 });
    const one = client();
    const startedAt = performance.now();
    for (let i = 0; i < 10; i += 1) one.socket.write(`${i}`);
    await eventually(() => expect(one.received).toBe('0123456789'));
    await proxy.set({ kind: 'latency', ms: 50 });
    const laterAt = performance.now();
    await one.says('!', '0123456789!');
    expect(performance.now() - laterAt).toBeGreaterThan(95);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('delivers what it held back as soon as the link is fast again, in order', async () => {
    const one = client();
    await one.says('1', '1');
    await proxy.set({ kind: 'latency', ms: 60_000 });
    one.socket.write('2');
    await aWhile();
    await proxy.heal();
    await one.says('3', '123');
    expect(one.received).toBe('123');
  });

  it('leads new connections to another server, and cuts those that are there', async () => {
    const one = client();
    await one.says('hello', 'hello');
    const other = createServer((socket) => socket.on('error', () => undefined).end('another server'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));

    proxy.redirect(`tcp://127.0.0.1:${(other.address() as AddressInfo).port}`);

    await eventually(() => expect(proxy.connectionCount).toBe(0));
    const two = client();
    await eventually(() => expect(two.received).toBe('another server'));
    two.socket.destroy();
    await new Promise((resolve) => other.close(resolve));
  });

  it('hangs: nothing comes through, not even the end of the client, until it is healed', async () => {
    const one = client();
    await one.says('a', 'a');
    await proxy.set({ kind: 'hang' });
    await proxy.set({ kind: 'hang' });
    one.socket.write('b');
    const another = client();
    another.socket.write('c');
    await aWhile();
    expect([one.received, another.received, another.events, atServer]).toEqual(['a', '', ['connected'], 'a']);
    another.socket.destroy();
    await aWhile();
    expect(serverSockets.map((socket) => socket.closed)).toEqual([false, false]);
    await proxy.heal();
    await eventually(() => expect(one.received).toBe('ab'));
    await eventually(() => expect(proxy.connectionCount).toBe(1));
  });

  it('can leave old connections hanging while new ones pass', async () => {
    const old = client();
    await old.says('a', 'a');
    await proxy.set({ kind: 'hang' });
    await proxy.set({ kind: 'pass' }, 'new');
    await client().says('b', 'b');
    old.socket.write('c');
    await aWhile();
    expect(old.received).toBe('a');
    await proxy.set({ kind: 'pass' }, 'existing');
    await eventually(() => expect(old.received).toBe('ac'));
  });

  it('hangs in the middle of an answer', async () => {
    await proxy.set({ kind: 'hang-after', bytes: 3 });
    const one = client();
    one.socket.write('abcdef');
    await eventually(() => expect(one.received).toBe('abc'));
    one.socket.write('gh');
    await aWhile();
    expect([one.received, atServer]).toEqual(['abc', 'abcdef']);
  });

  it('resets connections', async () => {
    const one = client();
    await one.says('a', 'a');
    await proxy.set({ kind: 'reset' });
    await eventually(() => expect(one.events).toEqual(['connected', 'ECONNRESET']));
    const another = client();
    await eventually(() => expect(another.events.at(-1)).toBe('ECONNRESET'));
    await proxy.heal();
    await client().says('b', 'b');
  });

  it('closes one half', async () => {
    const one = client();
    await one.says('a', 'a');
    await proxy.set({ kind: 'half-close' });
    await eventually(() => expect(one.events).toEqual(['connected', 'end']));
    one.socket.write('b');
    await eventually(() => expect(atServer).toBe('ab'));
    expect(one.received).toBe('a');
  });

  it('cuts everything when it stops', async () => {
    const one = client();
    await one.says('a', 'a');
    await proxy.set({ kind: 'hang' });
    await proxy.stop();
    await eventually(() => expect(one.socket.destroyed || one.events.includes('end')).toBe(true));
    await eventually(() => expect(serverSockets[0]?.closed).toBe(true));
  });
});
