import { z } from 'zod';
import { Breakers } from '#lib/resilience/call/breakers';
import { currentSpan } from '#lib/runtime/trace/span';
import { EmbedderPort } from '../embedder.port.js';
import { UnusableAnswer } from '#lib/resilience/adapters/http/json-request';
import { RemoteModel, type RemoteModelOptions } from './remote-model.js';

const Answer = z.object({
  data: z.array(z.object({ index: z.int().nonnegative(), embedding: z.array(z.number()) })),
  usage: z.object({ prompt_tokens: z.number().nonnegative() }).optional().catch(undefined),
});

/** The endpoint that the others are compatible with. */
export const OPENAI_URL = 'https://api.openai.com/v1';

/** A model behind any endpoint that speaks OpenAI's `POST <base>/embeddings` (OpenAI, vLLM, LM Studio, text-embeddings-inference, ...). */
export class OpenAiEmbedder extends EmbedderPort {
  readonly model: string;
  readonly dimension: number;
  private readonly remote: RemoteModel;

  constructor(options: RemoteModelOptions, breakers: Breakers) {
    super();
    this.model = options.model;
    this.dimension = options.dimension;
    this.remote = new RemoteModel(options, breakers);
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const bodyOf = (input: readonly string[]) => ({ model: this.model, input, encoding_format: 'float', ...this.shortened() });
    return this.remote.embed(texts, '/embeddings', bodyOf, (answer) => {
      const parsed = Answer.safeParse(answer);
      if (!parsed.success) throw new UnusableAnswer(this.model, 'an answer of another shape than /embeddings has');
      currentSpan()?.set('gen_ai.usage.input_tokens', parsed.data.usage?.prompt_tokens);
      return this.inOrder(parsed.data.data);
    });
  }

  /** Closes the connections. Calls in flight fail. */
  override close(): void {
    this.remote.close();
  }

  // Only this family can give shorter vectors than it was made for; other models refuse the field.
  private shortened(): { dimensions?: number } {
    return this.dimension > 0 && /(^|\/)text-embedding-3/.test(this.model) ? { dimensions: this.dimension } : {};
  }

  /** The order of `data` is not promised, `index` is. */
  private inOrder(data: readonly { readonly index: number; readonly embedding: readonly number[] }[]) {
    const sorted = [...data].sort((one, other) => one.index - other.index);
    if (sorted.some(({ index }, i) => index !== i)) throw new UnusableAnswer(this.model, 'vectors that cannot be told apart by index');
    return sorted.map(({ embedding }) => embedding);
  }
}
