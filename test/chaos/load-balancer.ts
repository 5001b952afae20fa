import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

const CONNECT_WITHIN_MS = 1_000;

/** A TCP load balancer: a connection goes to the server with the fewest, and to the next one when that takes none. */
export class LoadBalancer {
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((client) => void this.forward(client));

  /** Clients by the server that they are led to. */
  private readonly clients: ReadonlyMap<URL, Set<Socket>>;

  private constructor(targets: readonly URL[]) {
    this.clients = new Map(targets.map((target) => [target, new Set()]));
  }

  static async before(urls: readonly string[]): Promise<LoadBalancer> {
    const balancer = new LoadBalancer(urls.map((url) => new URL(url)));
    await new Promise<void>((resolve) => balancer.server.listen(0, '127.0.0.1', resolve));
    return balancer;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Cuts connections of the server that has most, so that their clients come back and each server has as many. */
  spread(): void {
    const [fewest, ...others] = this.fewestFirst().map(([, clients]) => clients);
    const most = others.at(-1);
    if (fewest === undefined || most === undefined) return;
    for (const client of [...most].slice(0, Math.floor((most.size - fewest.size) / 2))) client.destroy();
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async forward(client: Socket): Promise<void> {
    this.keep(client);
    for (const [target, clients] of this.fewestFirst()) {
      if (client.destroyed) return;
      clients.add(client); // before it is open: clients that come together are to be spread, too
      client.once('close', () => clients.delete(client));
      const server = await this.open(target);
      if (server === undefined || client.destroyed) {
        clients.delete(client);
        server?.destroy();
        continue;
      }
      this.keep(server);
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        one.pipe(other);
        one.once('close', () => other.destroy());
      }
      return;
    }
    client.destroy();
  }

  private fewestFirst() {
    return [...this.clients].sort(([, one], [, other]) => one.size - other.size);
  }

  private open(target: URL): Promise<Socket | undefined> {
    return new Promise((resolve) => {
      const socket = connect({ host: target.hostname, port: Number(target.port), timeout: CONNECT_WITHIN_MS, noDelay: true });
      const settle = (outcome: Socket | undefined) => {
        socket.setTimeout(0);
        resolve(outcome);
      };
      socket.once('connect', () => settle(socket));
      for (const failure of ['error', 'timeout']) {
        socket.once(failure, () => {
          socket.destroy();
          settle(undefined);
        });
      }
    });
  }

  private keep(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on('error', () => undefined); // 'close' follows
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
  }
}
