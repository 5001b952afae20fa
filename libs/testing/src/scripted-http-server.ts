import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';

/** What the server was asked. `body` is parsed JSON, undefined when there was none. */
export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** What it answers; `body` is sent as JSON. */
export interface ScriptedAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Plays the part of a dependency that speaks HTTP. */
export type Script = (request: ScriptedRequest) => ScriptedAnswer | Promise<ScriptedAnswer>;

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
    const asked = { method: request.method ?? '', path: request.url ?? '', body: text === '' ? undefined : JSON.parse(text) };
    const { status, body, headers } = await script(asked);
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body ?? {}));
  } catch {
    response.destroy(); // the client has gone, or did not speak HTTP
  }
}

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
