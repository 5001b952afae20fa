import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';

/** What the server was asked. `body` is parsed JSON or the fields of a form, undefined when there was none. */
export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

/** What it answers; `body` is sent as JSON. */
export interface ScriptedAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Writes an answer of its own: none, half of one, one that is no HTTP. */
export type ScriptedFault = (response: ServerResponse) => void;

/** Plays the part of a dependency that speaks HTTP. */
export type Script = (request: ScriptedRequest) => ScriptedAnswer | ScriptedFault | Promise<ScriptedAnswer | ScriptedFault>;

/** An HTTP server on this machine that answers as its script says. */
export class ScriptedHttpServer {
  private constructor(
    private readonly server: Server,
    /** `http://127.0.0.1:<port>`. */
    readonly url: string,
  ) {}

  static async start(script: Script): Promise<ScriptedHttpServer> {
    const server = createServer((request, response) => void play(script, request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedHttpServer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

async function play(script: Script, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString();
    const { method = '', url: path = '', headers: sent } = request;
    const answer = await script({ method, path, headers: sent, body: parsed(text, sent['content-type']) });
    if (typeof answer === 'function') return answer(response);
    const { status, body, headers } = answer;
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body ?? {}));
  } catch {
    response.destroy(); // the client has gone, or did not speak HTTP
  }
}

const parsed = (text: string, type = ''): unknown => {
  if (text === '') return undefined;
  return type.includes('form') ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text);
};

/** What a server may do in place of a good answer, by name. */
export const scriptedFaults: Readonly<Record<string, ScriptedAnswer | ScriptedFault>> = {
  'no answer': () => undefined,
  'headers that do not end': ({ socket }) => void socket?.write('HTTP/1.1 200 OK\r\nx-slow: '),
  'a body that does not end': (response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{"name":'),
  'a body without an end': (response) => pour(response.writeHead(200, { 'content-type': 'application/json' })),
  'a reset': ({ socket }) => void socket?.resetAndDestroy(),
  garbage: (response) => void response.writeHead(200).end('<html>a proxy</html>'),
  'another shape': { status: 200, body: [42] },
  'an error 500': { status: 500, body: { error: { message: 'scripted to fail' } } },
};

const pour = (response: ServerResponse): void => {
  while (!response.destroyed && response.write(' '.repeat(65_536)));
  if (!response.destroyed) response.once('drain', () => pour(response));
};

/** Answers everything with this status: a server that is up and does not work. */
export const alwaysAnswering =
  (status: number): Script =>
  () => ({ status, body: { error: { message: 'scripted to fail' } } });

/** Length of the vectors of {@link openAiModel}. */
export const MODEL_DIMENSION = 384;

/** `POST <base>/embeddings` as OpenAI and its likes answer it, with the vectors of the local embedder. */
export const openAiModel = (): Script => {
  const local = new LocalEmbedder();
  return async ({ body }) => {
    const { input, model } = body as { input: string[]; model: string };
    const vectors = await local.embed(input);
    return { status: 200, body: { model, data: vectors.map((vector, index) => ({ index, embedding: [...vector] })) } };
  };
};
