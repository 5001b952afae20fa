import { DependencyError } from '#lib/resilience/call/errors';
import { metrics } from '#lib/runtime/metrics/metrics';
import { shownContent } from '#lib/runtime/trace/content';
import { inSpan } from '#lib/runtime/trace/span';
import { EmbedderPort } from './embedder.port.js';

/** How many texts go to the model at once. */
export interface BatchLimits {
  /** Label of `embedding_latency_seconds`. */
  readonly provider: string;
  /** Texts per call of the model, at most. */
  readonly batchSize: number;
  /** Calls of the model that one `embed` runs at once (ML_EMBED_WORKERS, R095). */
  readonly concurrent: number;
}

/**
 * Splits many texts into sub-batches, embeds some of them at once and puts the vectors back in order (R107).
 * Fails fast: after the first failure no further sub-batch is started, and `embed` rejects without waiting for those in flight.
 * A sub-batch that times out is halved for the calls that follow, and each full one that passes doubles the size again: a slow model gets what
 * it can do in time, and a text that hangs it ends up alone.
 */
export class BatchedEmbedder extends EmbedderPort {
  readonly model: string;
  readonly dimension: number;
  private size: number;

  constructor(
    private readonly inner: EmbedderPort,
    private readonly limits: BatchLimits,
  ) {
    super();
    this.model = inner.model;
    this.dimension = inner.dimension;
    this.size = limits.batchSize;
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const { concurrent } = this.limits;
    const vectors: Float32Array[] = [];
    let next = 0;
    let hasFailed = false;
    const lane = async () => {
      while (next < texts.length && !hasFailed) {
        const start = next;
        next += this.size;
        try {
          const batch = await this.measured(texts.slice(start, next));
          for (const [i, vector] of batch.entries()) vectors[start + i] = vector;
        } catch (error) {
          hasFailed = true;
          throw error;
        }
      }
    };
    const lanes = Math.min(concurrent, Math.ceil(texts.length / this.size));
    await Promise.all(Array.from({ length: lanes }, lane));
    return vectors;
  }

  override close(): void {
    this.inner.close();
  }

  private async measured(texts: readonly string[]): Promise<Float32Array[]> {
    const end = metrics.embeddingLatency.startTimer({ provider: this.limits.provider });
    try {
      const vectors = await this.traced(texts);
      if (texts.length >= this.size) this.size = Math.min(2 * this.size, this.limits.batchSize);
      return vectors;
    } catch (error) {
      const isTimeout = error instanceof DependencyError && error.kind === 'timeout';
      if (isTimeout && texts.length <= this.size) this.size = Math.max(1, Math.floor(texts.length / 2));
      throw error;
    } finally {
      end();
    }
  }

  private async traced(texts: readonly string[]): Promise<Float32Array[]> {
    return inSpan(`embeddings ${this.model}`, 'client', (span) => {
      span
        ?.set('gen_ai.operation.name', 'embeddings')
        .set('gen_ai.provider.name', this.limits.provider)
        .set('gen_ai.request.model', this.model)
        .set('gen_ai.embeddings.dimension.count', this.dimension)
        .set('langfuse.observation.type', 'embedding')
        .set('app.texts', texts.length)
        .setContent(
          'langfuse.observation.input',
          shownContent(() => texts.join('\n')),
        );
      return this.inner.embed(texts);
    });
  }
}
