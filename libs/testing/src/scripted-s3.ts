import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** As much of S3 as an object store of one bucket needs, in memory: for tests of what happens around it. Signatures are not looked at. */
export class ScriptedS3 {
  /** By key. */
  readonly objects = new Map<string, Buffer>();

  private constructor(
    private readonly server: Server,
    /** `http://127.0.0.1:<port>`. */
    readonly url: string,
  ) {}

  static async start(): Promise<ScriptedS3> {
    const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const body = await bodyOf(request);
      const { status, answer } = s3.answer(request.method ?? '', new URL(request.url ?? '/', 'http://s3'), body);
      response.writeHead(status, { 'content-type': 'application/xml' }).end(answer);
    };
    const server = createServer((request, response) => void respond(request, response).catch(() => response.destroy()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const s3 = new ScriptedS3(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return s3;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
  }

  private answer(method: string, url: URL, body: Buffer): { status: number; answer: string | Buffer } {
    const key = url.pathname.split('/').slice(2).join('/');
    if (method === 'PUT') {
      this.objects.set(key, body);
      return { status: 200, answer: '' };
    }
    if (method === 'GET' && key !== '') {
      const object = this.objects.get(key);
      return object === undefined ? { status: 404, answer: '<Error><Code>NoSuchKey</Code></Error>' } : { status: 200, answer: object };
    }
    if (method === 'GET') {
      const prefix = url.searchParams.get('prefix') ?? '';
      const keys = [...this.objects.keys()]
        .filter((each) => each.startsWith(prefix))
        .map((each) => `<Contents><Key>${each}</Key></Contents>`);
      return { status: 200, answer: `<ListBucketResult>${keys.join('')}</ListBucketResult>` };
    }
    const named = [...body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].flatMap(([, each]) => each ?? []);
    for (const each of named) this.objects.delete(each);
    return { status: 200, answer: `<DeleteResult>${named.map((each) => `<Deleted><Key>${each}</Key></Deleted>`).join('')}</DeleteResult>` };
  }
}

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};
