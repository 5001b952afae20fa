import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

const CONNECT_WITHIN_MS = 1_000;

/** A TCP load balancer: connections go to the servers in turn, and to the next one when a server takes none. */
export class LoadBalancer {
  private turn = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((client) => void this.forward(client));

  private constructor(private readonly targets: readonly URL[]) {}

  static async before(urls: readonly string[]): Promise<LoadBalancer> {
    const balancer = new LoadBalancer(urls.map((url) => new URL(url)));
    await new Promise<void>((resolve) => balancer.server.listen(0, '127.0.0.1', resolve));
    return balancer;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async forward(client: Socket): Promise<void> {
    this.keep(client);
    this.turn += 1;
    for (let i = 0; i < this.targets.length && !client.destroyed; i += 1) {
      const server = await this.open(this.targets[(this.turn + i) % this.targets.length]);
      if (server === undefined) continue;
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

  private open(target: URL | undefined): Promise<Socket | undefined> {
    return new Promise((resolve) => {
      const socket = connect({ host: target?.hostname ?? '', port: Number(target?.port), timeout: CONNECT_WITHIN_MS, noDelay: true });
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
