import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';

/** An endpoint that speaks JSON, and what a call to it may cost. */
export interface JsonEndpoint {
  /** Everything before the path of a call. User and password in it become an `Authorization` header. */
  readonly baseUrl: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Limit for TCP and TLS to stand, in milliseconds; a host that swallows packets is noticed after this, not after the call's limit. */
  readonly connectTimeoutMs: number;
  /** Sockets in all; further calls wait for one. */
  readonly maxSockets: number;
  /** Longest answer that is read. */
  readonly maxAnswerBytes: number;
}

/** The endpoint answered with something other than 2xx. The message holds no header and no text of either side. */
export class HttpFailure extends Error {
  // Private, so that no logger prints it: answers may quote the request, and the request is message text.
  readonly #body: string;

  constructor(
    call: string,
    readonly status: number,
    /** What `Retry-After` asked for, in milliseconds. */
    readonly retryAfterMs: number | undefined,
    body: string,
  ) {
    super(`${call} answered ${status}`);
    this.name = 'HttpFailure';
    this.#body = body;
  }

  /** The answer as text, for adapters that look for something in it. Never log it. */
  get body(): string {
    return this.#body;
  }
}

/** The endpoint answered with something that cannot be what was asked for: not JSON, too long, another shape. */
export class UnusableAnswer extends Error {
  constructor(call: string, reason: string) {
    super(`${call}: ${reason}`);
    this.name = 'UnusableAnswer';
  }
}

/**
 * JSON calls to one endpoint with what `fetch` lacks: a limit for connecting, a limit for the answer's size, and a second try
 * when a kept-alive socket turns out to be dead, so that a restarted server is not seen as a failing one. For idempotent calls only.
 */
export class JsonOverHttp {
  private readonly agent: HttpAgent;
  private readonly base: URL;
  private readonly headers: Record<string, string>;

  constructor(private readonly endpoint: JsonEndpoint) {
    this.base = new URL(endpoint.baseUrl);
    this.headers = { accept: 'application/json', ...credentialsIn(this.base), ...endpoint.headers };
    const options = { keepAlive: true, maxSockets: endpoint.maxSockets };
    this.agent = this.base.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** Sends `body` and reads the JSON that comes back. @throws HttpFailure, UnusableAnswer, or the socket's error. */
  async post(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    return this.call('POST', path, signal, JSON.stringify(body));
  }

  /** @throws HttpFailure, UnusableAnswer, or the socket's error. */
  async get(path: string, signal: AbortSignal): Promise<unknown> {
    return this.call('GET', path, signal);
  }

  /** @throws HttpFailure, UnusableAnswer, or the socket's error. */
  async delete(path: string, signal: AbortSignal): Promise<unknown> {
    return this.call('DELETE', path, signal);
  }

  /** Lets go of the idle sockets. Calls in flight fail. */
  close(): void {
    this.agent.destroy();
  }

  private async call(method: string, path: string, signal: AbortSignal, payload?: string): Promise<unknown> {
    const name = `${method} ${path}`;
    const { status, headers, text } = await this.exchange(method, path, signal, payload);
    if (status < 200 || status > 299) throw new HttpFailure(name, status, retryAfterMs(headers['retry-after']), text);
    try {
      return JSON.parse(text);
    } catch {
      throw new UnusableAnswer(name, `${text.length} characters that are not JSON`);
    }
  }

  private async exchange(method: string, path: string, signal: AbortSignal, payload?: string) {
    const started = this.start(method, path, signal, payload, this.agent);
    try {
      return await started.answer;
    } catch (error) {
      if (signal.aborted || !started.request.reusedSocket || !isDeadSocket(error)) throw error;
      // The server closed the socket while it was idle and has not seen this request. `false`: a connection of its own.
      return this.start(method, path, signal, payload, false).answer;
    }
  }

  private start(method: string, path: string, signal: AbortSignal, payload: string | undefined, agent: HttpAgent | false) {
    const url = new URL(`${this.base.pathname.replace(/\/$/, '')}${path}`, this.base);
    const isTls = url.protocol === 'https:';
    const headers =
      payload === undefined
        ? this.headers
        : { ...this.headers, 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) };
    const request = (isTls ? requestHttps : requestHttp)(url, { method, headers, agent, signal });
    const answer = new Promise<{ status: number; headers: IncomingMessage['headers']; text: string }>((resolve, reject) => {
      request.on('error', reject); // `on`: one that comes after the answer must not end the process
      request.once('response', (response) => {
        this.read(`${method} ${path}`, response).then(
          (text) => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
          (error: unknown) => {
            request.destroy();
            reject(error);
          },
        );
      });
    });
    this.limitConnecting(request, isTls ? 'secureConnect' : 'connect');
    request.end(payload);
    return { request, answer };
  }

  private limitConnecting(request: ClientRequest, connected: 'connect' | 'secureConnect'): void {
    request.once('socket', (socket) => {
      if (request.reusedSocket || !socket.connecting) return;
      const { connectTimeoutMs } = this.endpoint;
      const timer = setTimeout(() => request.destroy(new Error(`not connected within ${connectTimeoutMs} ms`)), connectTimeoutMs);
      const stop = () => clearTimeout(timer);
      socket.once(connected, stop);
      request.once('close', stop);
    });
  }

  private async read(name: string, response: IncomingMessage): Promise<string> {
    const { maxAnswerBytes } = this.endpoint;
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of response as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > maxAnswerBytes) throw new UnusableAnswer(name, `more than ${maxAnswerBytes} bytes`);
      parts.push(part);
    }
    return Buffer.concat(parts, length).toString('utf8');
  }
}

function credentialsIn(url: URL): Record<string, string> {
  if (url.username === '' && url.password === '') return {};
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

const isDeadSocket = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');

/** Seconds or a date, as RFC 9110 has it. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1_000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
