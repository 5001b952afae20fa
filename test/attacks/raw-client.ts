import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

/** A client that writes bytes instead of requests: half of them, the wrong ones, or none. It reads only when it is asked to. */
export class RawClient {
  private received = '';

  private constructor(readonly socket: Socket) {}

  /** Connects to the server of `url`. */
  static async to(url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on('error', () => undefined); // being hung up on is what many of them are for
    await once(socket, 'connect', { signal: AbortSignal.timeout(5_000) });
    socket.pause();
    return new RawClient(socket);
  }

  /** Writes these lines, ended as HTTP ends them. A last empty line ends the head. */
  writeHead(...lines: string[]): void {
    this.socket.write(lines.map((line) => `${line}\r\n`).join(''));
  }

  /** Reads until `enough` says so, the server hangs up, or the time is over; gives all that came since the beginning. */
  async read(enough: (received: string) => boolean = (received) => received.includes('\r\n\r\n'), withinMs = 5_000): Promise<string> {
    const take = (bytes: Buffer) => {
      this.received += bytes.toString('latin1');
      if (enough(this.received)) this.socket.emit('enough');
    };
    this.socket.on('data', take).resume();
    const signal = AbortSignal.timeout(withinMs);
    if (!enough(this.received) && !this.socket.closed) {
      await Promise.race([once(this.socket, 'enough', { signal }), once(this.socket, 'close', { signal })]).catch(() => undefined);
    }
    this.socket.off('data', take);
    this.socket.pause();
    return this.received;
  }

  /** Of what has come: the status of the first answer; undefined when there is none. */
  get status(): number | undefined {
    const status = /^HTTP\/1\.1 (\d{3})/.exec(this.received)?.[1];
    return status === undefined ? undefined : Number(status);
  }

  close(): void {
    this.socket.destroy();
  }
}
