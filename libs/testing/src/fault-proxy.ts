import { createServer, connect, type Server, type Socket } from 'node:net';
import { freePorts } from '#lib/devstack/ports/free-ports';

/** What the proxy does to a connection. */
export type Fault =
  /** Forwards everything. */
  | { readonly kind: 'pass' }
  /** The port is closed: new connections get ECONNREFUSED. Established ones are left alone. */
  | { readonly kind: 'refuse' }
  /** Each piece of data arrives `ms` later, plus or minus up to `jitterMs`, in order. */
  | { readonly kind: 'latency'; readonly ms: number; readonly jitterMs?: number }
  /** A black hole: connections stay open, new ones are accepted, and nothing comes through in either direction, not even their end. */
  | { readonly kind: 'hang' }
  /** Forwards until the client has received `bytes` more, then hangs. Counted per connection. */
  | { readonly kind: 'hang-after'; readonly bytes: number }
  /** Connections are reset (RST), new ones right after they were accepted. */
  | { readonly kind: 'reset' }
  /** The client is told that the server will send nothing more (FIN); what the client sends still arrives. */
  | { readonly kind: 'half-close' };

/** Which connections a fault is for. `new`: those that come from now on. */
export type Reach = 'all' | 'new' | 'existing';

const PASS: Fault = { kind: 'pass' };

/**
 * A TCP proxy that misbehaves on command, for tests of what a client does when the network or the server does. It listens on
 * 127.0.0.1 at a free port and keeps that port through every fault.
 */
export class FaultProxy {
  private fault: Fault = PASS;
  private readonly connections = new Set<Connection>();
  private server: Server | undefined;

  private constructor(
    private target: { readonly host: string; readonly port: number },
    readonly port: number,
  ) {}

  /** Starts a proxy in front of the server that `url` names, e.g. a database URL. */
  static async before(url: string): Promise<FaultProxy> {
    // Not one that the system picks: while the proxy refuses, an outgoing connection could take that, even the client's own to itself.
    const [port = 0] = await freePorts(1);
    const proxy = new FaultProxy(placeOf(url), port);
    await proxy.listen();
    return proxy;
  }

  /** Connections through the proxy now. */
  get connectionCount(): number {
    return this.connections.size;
  }

  /** The same URL, through the proxy. */
  through(url: string): string {
    const own = new URL(url);
    own.hostname = '127.0.0.1';
    own.port = String(this.port);
    return own.href;
  }

  /** From now on new connections go to the server that `url` names instead; those that are there are cut. */
  redirect(url: string): void {
    this.target = placeOf(url);
    for (const connection of this.connections) connection.cut();
  }

  /** Sets the fault for connections that come from now on, for those that are there, or (default) for both. */
  async set(fault: Fault, reach: Reach = 'all'): Promise<void> {
    if (reach !== 'new' && fault.kind !== 'refuse') for (const connection of this.connections) connection.set(fault);
    if (reach === 'existing') return;
    this.fault = fault;
    if (fault.kind === 'refuse') this.closeListener();
    else if (this.server === undefined) await this.listen();
  }

  /** Heals everything: what was held back goes on, new connections pass. */
  async heal(): Promise<void> {
    await this.set(PASS);
  }

  /** Cuts all connections and closes the port. */
  async stop(): Promise<void> {
    this.closeListener();
    for (const connection of this.connections) connection.cut();
  }

  private async listen(): Promise<void> {
    // With allowHalfOpen Node does not answer an end on its own: one direction can close before the other, as in TCP.
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => this.accept(client));
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
  }

  private closeListener(): void {
    this.server?.close();
    this.server = undefined;
  }

  private accept(client: Socket): void {
    const server = connect({ ...this.target, allowHalfOpen: true });
    const connection = new Connection(client, server, () => this.connections.delete(connection));
    this.connections.add(connection);
    connection.set(this.fault);
  }
}

const placeOf = (url: string) => {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
};

/** One proxied connection: two pipes, one per direction. */
class Connection {
  private readonly toServer: Pipe;
  private readonly toClient: Pipe;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    onGone: () => void,
  ) {
    for (const socket of [client, server]) socket.setNoDelay(true);
    this.toServer = new Pipe(client, server);
    this.toClient = new Pipe(server, client, () => this.set({ kind: 'hang' }));
    client.once('close', onGone);
  }

  set(fault: Fault): void {
    if (fault.kind === 'reset') return this.reset();
    if (fault.kind === 'half-close') this.client.end();
    this.toServer.set(fault.kind === 'hang-after' || fault.kind === 'half-close' ? PASS : fault);
    this.toClient.set(fault);
  }

  cut(): void {
    this.client.destroy();
    this.server.destroy();
  }

  private reset(): void {
    this.client.resetAndDestroy();
    this.server.resetAndDestroy();
  }
}

/** Carries what `from` sends, its end, and its loss to `to`, as the fault says: in order, each after the wait of its own. */
class Pipe {
  private fault: Fault = PASS;
  private bytesLeft = Number.POSITIVE_INFINITY;
  private last: Promise<void> = Promise.resolve();
  /** What is on its way waits for it; undefined while nothing is held back. */
  private held: PromiseWithResolvers<void> | undefined;
  /** What is delayed waits no longer once this is resolved: the link is fast again. */
  private fast = Promise.withResolvers<void>();

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly onBytesSpent: () => void = () => undefined,
  ) {
    from.on('data', (data) => this.carry(() => this.write(data)));
    from.once('end', () => this.carry(() => this.to.end()));
    from.once('close', () => this.carry(() => this.to.destroy()));
    // The other side learns of it by the close that follows.
    from.on('error', () => undefined);
  }

  set(fault: Fault): void {
    this.fault = fault;
    if (fault.kind !== 'latency') {
      this.fast.resolve();
      this.fast = Promise.withResolvers<void>();
    }
    this.bytesLeft = fault.kind === 'hang-after' ? fault.bytes : Number.POSITIVE_INFINITY;
    if (fault.kind === 'hang') {
      this.held ??= Promise.withResolvers<void>();
      // What is not read stays with the sender, and so does the news of its end.
      this.from.pause();
      return;
    }
    this.held?.resolve();
    this.held = undefined;
    this.from.resume();
  }

  private carry(deliver: () => void): void {
    const dueAt = performance.now() + this.delayMs();
    this.last = this.deliverInTurn(this.last, dueAt, this.fast.promise, deliver);
  }

  private async deliverInTurn(previous: Promise<void>, dueAt: number, fast: Promise<void>, deliver: () => void): Promise<void> {
    await previous;
    await sleepUntil(dueAt, fast);
    await this.held?.promise;
    deliver();
  }

  private delayMs(): number {
    if (this.fault.kind !== 'latency') return 0;
    const { ms, jitterMs = 0 } = this.fault;
    return Math.max(0, ms + (Math.random() * 2 - 1) * jitterMs);
  }

  private write(data: Buffer): void {
    if (this.to.destroyed || this.fault.kind === 'half-close') return;
    this.to.write(data.subarray(0, this.bytesLeft));
    this.bytesLeft -= data.length;
    if (this.bytesLeft <= 0) this.onBytesSpent();
  }
}

/** Waits until `dueAt` (`performance.now()`) or for `sooner`, whichever comes first. */
const sleepUntil = async (dueAt: number, sooner: Promise<void>): Promise<void> => {
  const waitMs = dueAt - performance.now();
  if (waitMs <= 0) return;
  const { promise: due, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, waitMs);
  await Promise.race([due, sooner]);
  clearTimeout(timer);
};
