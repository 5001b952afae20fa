import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { newId } from '#lib/contracts/ids';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';

const Request = z.object({ input: z.array(z.string()) });

/** A model behind an OpenAI-compatible endpoint that answers 400 for some texts, as real ones do for what they cannot read, until told to stop. */
export class PickyModel {
  private readonly embedder = new LocalEmbedder();

  private constructor(
    private readonly server: Server,
    public refuses: (text: string) => boolean,
  ) {}

  static async start(refuses: (text: string) => boolean): Promise<PickyModel> {
    const server = createServer();
    const model = new PickyModel(server, refuses);
    server.on('request', (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => void model.answer(Buffer.concat(parts), response));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return model;
  }

  /** What a Parley needs to use it. The model has a name, and so a collection, of its own. */
  get settings(): Record<string, string> {
    return {
      EMBEDDING_PROVIDER: 'openai',
      EMBEDDING_MODEL: `picky-${newId()}`,
      EMBEDDING_DIMENSION: String(this.embedder.dimension),
      EMBEDDING_BASE_URL: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`,
    };
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer(question: Buffer, response: ServerResponse): Promise<void> {
    const { input } = Request.parse(JSON.parse(question.toString()));
    const isRefused = input.some((text) => this.refuses(text));
    const vectors = isRefused ? [] : await this.embedder.embed(input);
    const body = isRefused
      ? { error: { message: 'invalid input' } }
      : { data: vectors.map((vector, index) => ({ index, embedding: [...vector] })) };
    response.writeHead(isRefused ? 400 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }
}
