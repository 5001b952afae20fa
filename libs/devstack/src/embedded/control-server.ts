import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Control } from '../home/state.js';

const REQUEST_WITHIN_MS = 5_000;

/**
 * Takes the order to stop: `POST /stop` with the token of the record in the home. Not a signal, because Windows has none that a process could take
 * in order.
 */
export class ControlServer {
  private readonly token = randomBytes(24).toString('base64url');
  private readonly server: Server;

  constructor(stop: () => void) {
    this.server = createServer({ requestTimeout: REQUEST_WITHIN_MS }, (request, response) => {
      request.resume();
      const isAllowed = request.method === 'POST' && request.url === '/stop' && this.isOurs(request.headers.authorization);
      response.writeHead(isAllowed ? 202 : 404, { connection: 'close' }).end();
      if (isAllowed) stop();
    });
    this.server.maxConnections = 10;
  }

  /** @returns where it listens. */
  async start(): Promise<Control> {
    this.server.listen({ port: 0, host: '127.0.0.1' });
    await once(this.server, 'listening');
    this.server.unref();
    return { url: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`, token: this.token };
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private isOurs(authorization = ''): boolean {
    const [given, wanted] = [authorization, `Bearer ${this.token}`].map((text) => Buffer.from(text)) as [Buffer, Buffer];
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
}

const ANSWER_WITHIN_MS = 3_000;

/** Tells the process that runs the embedded mode to stop. @throws when it does not answer. */
export async function orderStop({ url, token }: Control): Promise<void> {
  const answer = await fetch(`${url}/stop`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  await answer.body?.cancel();
  if (answer.status !== 202) throw new Error(`it answered ${answer.status}`);
}
