import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Readiness } from '../health/readiness.js';
import { livez, metricsText, type OperationsAnswer, readyz } from './operations-answers.js';

/** Probes and one or two Prometheus servers; more connections are dropped. */
const MAX_CONNECTIONS = 64;
/** No answer takes longer than 1.5 s, and one that is not read for this long must not be kept; milliseconds. */
const IDLE_MS = 5_000;
/** Longer than the pause between two scrapes, so that Prometheus keeps its connection; milliseconds. */
const KEEP_ALIVE_MS = 65_000;
const MAX_HEADER_BYTES = 8_192;

/**
 * `/livez`, `/readyz` and `/metrics` on OPERATIONS_PORT: a listener of its own, so that probes are answered while the public port is not open yet,
 * is full, or drains, and so that the network can keep callers away from it. It is open for as long as its process runs.
 */
export class OperationsServer {
  private readonly server: Server;

  constructor(private readonly readiness: Readiness) {
    this.server = createServer(
      { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: IDLE_MS, headersTimeout: IDLE_MS, keepAliveTimeout: KEEP_ALIVE_MS },
      (request, response) => void this.answer(request, response),
    );
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.setTimeout(IDLE_MS);
    // Without a listener, what a connection breaks with would end the process.
    this.server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** @throws Error of Node with code EADDRINUSE when the port is taken. */
  async listen(port: number, host: string): Promise<void> {
    this.server.listen(port, host);
    await once(this.server, 'listening');
  }

  /** Ends at once: what is asked now would be answered by a process that is gone. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }

  private async answer({ method, url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, contentType, body } = await this.answerTo(method, url.split('?')[0] ?? '/').catch(() => plain(500, 'internal'));
    const headers = { 'cache-control': 'no-store', 'content-type': contentType, 'content-length': Buffer.byteLength(body) };
    response.writeHead(status, status === 405 ? { ...headers, allow: 'GET, HEAD' } : headers);
    response.end(method === 'HEAD' ? undefined : body);
  }

  private async answerTo(method: string | undefined, path: string): Promise<OperationsAnswer> {
    if (path !== '/livez' && path !== '/readyz' && path !== '/metrics') return plain(404, 'not found');
    if (method !== 'GET' && method !== 'HEAD') return plain(405, 'method not allowed');
    if (path === '/livez') return livez();
    return path === '/readyz' ? readyz(this.readiness) : metricsText();
  }
}

const plain = (status: number, text: string): OperationsAnswer => ({
  status,
  contentType: 'text/plain; charset=utf-8',
  body: `${text}\n`,
});
