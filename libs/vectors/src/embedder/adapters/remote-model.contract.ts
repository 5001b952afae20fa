import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import type { Breakers } from '#lib/resilience/call/breakers';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DependencyError } from '#lib/resilience/call/errors';
import { cosine, embedderContract } from '../embedder.contract.js';
import { type EmbedderPort, TextRejected } from '../embedder.port.js';
import { LocalEmbedder } from './local-embedder.js';
import { askDimension, type RemoteModelOptions } from './remote-model.js';

/** How one kind of endpoint speaks. */
export interface Dialect {
  readonly Adapter: new (options: RemoteModelOptions, breakers: Breakers) => EmbedderPort & { close(): void };
  readonly path: string;
  /** The answer of the real endpoint to texts with these vectors. */
  readonly answer: (vectors: number[][]) => unknown;
}

/** What the endpoint was asked. */
interface Seen {
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly body: { readonly model: string; readonly input: string[] } & Record<string, unknown>;
}
type Script = (request: IncomingMessage, response: ServerResponse, seen: Seen) => void | Promise<void>;

const KEY = 'sk-very-secret';
const MODEL = 'test-model';
const noDirection = Array.from({ length: 384 }, () => 0);

/** What every adapter of a remote model promises; the endpoint is a real HTTP server on this machine that plays its part. */
export function remoteModelContract(name: string, { Adapter, path, answer }: Dialect): void {
  const local = new LocalEmbedder();
  const asked: Seen[] = [];
  let server: Server;
  let baseUrl: string;
  let script: Script;
  const embedders: { close(): void }[] = [];

  // Three times the length: endpoints do not promise unit length.
  const vectorsOf = async (texts: string[]) => (await local.embed(texts)).map((vector) => [...vector].map((value) => value * 3));
  const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  const works: Script = async (_, response, { body }) => void json(response, 200, answer(await vectorsOf(body.input)));

  const play = async (request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const seen = { url: request.url, authorization: request.headers.authorization, body: JSON.parse(Buffer.concat(parts).toString()) };
    asked.push(seen);
    await script(request, response, seen);
  };
  const start = async () => {
    server = createServer((request, response) => void play(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/base`;
  };
  const stop = async () => {
    for (const embedder of embedders.splice(0)) embedder.close();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  const embedder = (options: Partial<RemoteModelOptions> = {}) => {
    const made = new Adapter({ baseUrl, model: MODEL, dimension: local.dimension, apiKey: KEY, ...options }, createBreakers());
    embedders.push(made);
    return made;
  };
  const failureOf = (work: Promise<unknown>) =>
    work.then(
      () => expect.unreachable('it did not fail'),
      (error: unknown) => error as Error,
    );
  const unavailable = async (work: Promise<unknown>) => {
    const error = await failureOf(work);
    expect(error).toBeInstanceOf(DependencyError);
    return error as DependencyError;
  };

  beforeAll(start);
  afterAll(stop);
  beforeEach(() => {
    asked.length = 0;
    script = works;
  });

  embedderContract(name, async () => {
    script = works;
    return { embedder: embedder() };
  });

  describe(`${name} as a remote model`, () => {
    it('asks the endpoint the way it wants to be asked', async () => {
      await embedder().embed(['xin chào', 'hello']);
      expect(asked).toMatchObject([
        { url: `/base${path}`, authorization: `Bearer ${KEY}`, body: { model: MODEL, input: ['xin chào', 'hello'] } },
      ]);
    });

    it('sends no key when it has none', async () => {
      await embedder({ apiKey: undefined }).embed(['hello']);
      expect(asked[0]?.authorization).toBeUndefined();
    });

    it('asks nothing for no texts', async () => {
      await embedder().embed([]);
      expect(asked).toEqual([]);
    });

    it('finds out how long the vectors are', async () => {
      expect(await askDimension(Adapter, { baseUrl, model: MODEL }, createBreakers())).toBe(local.dimension);
    });

    it.each([400, 413, 422])('takes %i as the text being refused, which no breaker counts', async (status) => {
      script = (_, response, { body }) => void json(response, status, { error: { message: `bad input: ${body.input[0]}` } });
      const refusing = embedder();
      for (let i = 0; i < 10; i += 1) expect(await failureOf(refusing.embed(['a private text']))).toBeInstanceOf(TextRejected);
      script = works;
      expect(await refusing.embed(['fine'])).toHaveLength(1);
    });

    it.each([401, 403, 404, 500, 503])('takes %i as the endpoint not working', async (status) => {
      script = (_, response) => void json(response, status, { error: `no ${KEY} for you` });
      const error = await unavailable(embedder().embed(['hello']));
      expect(error.kind).toBe('unavailable');
    });

    it('keeps the key and the text out of its errors', async () => {
      script = (request, response, { body }) => void json(response, 401, { error: `${request.headers.authorization}: ${body.input[0]}` });
      const error = await failureOf(embedder().embed(['a private text']));
      const { inspect } = await import('node:util');
      const told = `${inspect(error, { depth: 10, showHidden: false })} ${JSON.stringify(error)} ${String(error.cause)}`;
      expect(told).toContain('401');
      expect(told).not.toContain(KEY);
      expect(told).not.toContain('private');
    });

    it('waits as long as 429 asks for', async () => {
      script = (_, response) => void json(response, 429, {}, { 'retry-after': '7' });
      expect((await unavailable(embedder().embed(['hello']))).retryAfterMs).toBe(7_000);
      script = (_, response) => void json(response, 429, {}, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() });
      expect((await unavailable(embedder().embed(['hello']))).retryAfterMs).toBeGreaterThan(50_000);
    });

    it.each<[string, Script]>([
      ['garbage', (_, response) => void response.writeHead(200).end('<html>nginx</html>')],
      ['JSON of another shape', (_, response) => void json(response, 200, { vectors: [[1, 2]] })],
      [
        'half an answer',
        (_, response) => void response.writeHead(200, { 'content-length': '1000' }).write('{"embeddings":', () => response.destroy()),
      ],
      ['too few vectors', async (_, response) => void json(response, 200, answer(await vectorsOf(['one'])))],
      ['too many vectors', async (_, response) => void json(response, 200, answer(await vectorsOf(['one', 'two', 'three'])))],
      ['vectors without a direction', (_, response) => void json(response, 200, answer([noDirection, noDirection]))],
      ['nothing: the connection is reset', (request) => void request.socket.resetAndDestroy()],
    ])('takes %s as the endpoint not working', async (_, badScript) => {
      script = badScript;
      expect((await unavailable(embedder().embed(['one', 'other']))).kind).toBe('unavailable');
    });

    it('says which dimension came and which was expected', async () => {
      const error = await unavailable(embedder({ dimension: 768 }).embed(['hello']));
      expect(String(error.cause)).toMatch(/384 dimensions, expected 768.*EMBEDDING_DIMENSION/);
    });

    it('stops reading an endless answer', async () => {
      let sent = 0;
      script = (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const part = Buffer.alloc(1_048_576, ' ');
        const write = () => {
          while (!response.destroyed && response.write(part)) sent += part.length;
        };
        response.on('drain', write);
        write();
      };
      const error = await unavailable(embedder().embed(['hello']));
      expect(error.cause).toMatchObject({ code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' });
      expect(sent).toBeLessThan(100_000_000);
    });

    it('keeps to the deadline of its caller, and hangs up', async () => {
      const hungUp = Promise.withResolvers<void>();
      script = (_, response) => void response.once('close', hungUp.resolve);
      const startedAt = performance.now();
      await expect(withDeadline(150, () => embedder().embed(['hello']))).rejects.toThrow(/timeout|deadline/);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      await hungUp.promise;
    });

    it('is not disturbed by a server that closed its idle connections', async () => {
      const patient = embedder({ concurrent: 1 }); // so that the second call takes the connection of the first
      await patient.embed(['before']);
      // What a restart looks like to a socket that is kept alive: closed just when it is used again.
      script = (request, response, seen) => {
        script = works;
        if (asked.length === 2) request.socket.destroy();
        else void works(request, response, seen);
      };
      expect(await patient.embed(['after'])).toHaveLength(1);
    });

    it('refuses at once after a while of failing, and comes back', async () => {
      script = (_, response) => void json(response, 500, {});
      const breakers = createBreakers();
      const broken = new Adapter({ baseUrl, model: MODEL, dimension: local.dimension }, breakers);
      embedders.push(broken);
      for (let i = 0; i < 6; i += 1) await unavailable(broken.embed(['hello']));
      const count = asked.length;
      expect((await unavailable(broken.embed(['hello']))).kind).toBe('open');
      expect(asked).toHaveLength(count);
      expect(breakers.stateOf('embedder')).toBe('open');
    });

    it.each<[string, Script]>([
      ['answers 500 for', (_, response) => void json(response, 500, { error: 'json: unsupported value: NaN' })],
      ['gives no direction to', (_, response, { body }) => void json(response, 200, answer(body.input.map(() => noDirection)))],
    ])('takes a text that it %s as refused, when it works for others: no breaker opens for what a caller wrote', async (_, fails) => {
      script = (request, response, seen) => (seen.body.input.includes('poison') ? fails : works)(request, response, seen);
      const breakers = createBreakers();
      const shared = new Adapter({ baseUrl, model: MODEL, dimension: local.dimension }, breakers);
      embedders.push(shared);
      for (let i = 0; i < 10; i += 1) expect(await failureOf(shared.embed(['fine', 'poison']))).toBeInstanceOf(TextRejected);
      expect(breakers.stateOf('embedder')).toBe('closed');
      expect(await shared.embed(['fine'])).toHaveLength(1);
    });

    it('opens its breaker when it hangs, inside the deadline of the handlers that wait for it', async () => {
      script = () => undefined;
      const breakers = createBreakers();
      const hung = new Adapter({ baseUrl, model: MODEL, dimension: local.dimension, timeoutMs: 40 }, breakers);
      embedders.push(hung);
      for (let i = 0; i < 5; i += 1) {
        expect((await unavailable(withDeadline(2_000, () => hung.embed(['hello'])))).kind).toBe('timeout');
      }
      expect(breakers.stateOf('embedder')).toBe('open');
      expect((await unavailable(hung.embed(['hello']))).kind).toBe('open');
    });

    it('gives unit length whatever length came', async () => {
      const [vector] = await embedder().embed(['hello']);
      const [expected] = await local.embed(['hello']);
      expect(cosine(vector, expected)).toBeCloseTo(1, 5);
    });
  });
}
