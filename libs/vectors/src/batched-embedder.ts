import { metrics } from '#lib/runtime/metrics';
import { EmbedderPort } from './embedder.port.js';

/** How many texts go to the model at once. */
export interface BatchLimits {
  /** Label of `embedding_latency_seconds`. */
  readonly provider: string;
  /** Texts per call of the model. */
  readonly batchSize: number;
  /** Calls of the model that one `embed` runs at once (ML_EMBED_WORKERS, R095). */
  readonly concurrent: number;
}

/**
 * Splits many texts into sub-batches, embeds some of them at once and puts the vectors back in order (R107).
 * Fails fast: after the first failure no further sub-batch is started, and `embed` rejects without waiting for those in flight.
 */
export class BatchedEmbedder extends EmbedderPort {
  readonly model: string;
  readonly dimension: number;

  constructor(
    private readonly inner: EmbedderPort,
    private readonly limits: BatchLimits,
  ) {
    super();
    this.model = inner.model;
    this.dimension = inner.dimension;
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const { batchSize, concurrent } = this.limits;
    const vectors: Float32Array[] = [];
    let next = 0;
    let hasFailed = false;
    const lane = async () => {
      while (next < texts.length && !hasFailed) {
        const start = next;
        next += batchSize;
        try {
          const batch = await this.measured(texts.slice(start, start + batchSize));
          for (const [i, vector] of batch.entries()) vectors[start + i] = vector;
        } catch (error) {
          hasFailed = true;
          throw error;
        }
      }
    };
    const lanes = Math.min(concurrent, Math.ceil(texts.length / batchSize));
    await Promise.all(Array.from({ length: lanes }, lane));
    return vectors;
  }

  private async measured(texts: readonly string[]): Promise<Float32Array[]> {
    const end = metrics.embeddingLatency.startTimer({ provider: this.limits.provider });
    try {
      return await this.inner.embed(texts);
    } finally {
      end();
    }
  }
}
