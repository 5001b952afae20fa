import { z } from 'zod';
import { Breakers } from '#lib/resilience/call/breakers';
import { currentSpan } from '#lib/runtime/trace/span';
import { EmbedderPort } from '../embedder.port.js';
import { UnusableAnswer } from '#lib/resilience/adapters/http/json-request';
import { RemoteModel, type RemoteModelOptions } from './remote-model.js';

const Answer = z.object({
  embeddings: z.array(z.array(z.number())),
  prompt_eval_count: z.number().nonnegative().optional().catch(undefined),
});

/** Where Ollama listens unless told otherwise. */
export const OLLAMA_URL = 'http://127.0.0.1:11434';

/** A model that Ollama serves (`POST /api/embed`, since 0.2.0). Texts longer than the model's context are cut by Ollama. */
export class OllamaEmbedder extends EmbedderPort {
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
    const bodyOf = (input: readonly string[]) => ({ model: this.model, input, truncate: true });
    return this.remote.embed(texts, '/api/embed', bodyOf, (answer) => {
      const parsed = Answer.safeParse(answer);
      if (!parsed.success) throw new UnusableAnswer(this.model, 'an answer of another shape than /api/embed has');
      currentSpan()?.set('gen_ai.usage.input_tokens', parsed.data.prompt_eval_count);
      return parsed.data.embeddings;
    });
  }

  /** Closes the connections. Calls in flight fail. */
  override close(): void {
    this.remote.close();
  }
}
