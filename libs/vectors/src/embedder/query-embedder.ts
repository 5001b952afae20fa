import type { Breakers } from '#lib/resilience/call/breakers';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { EmbedderPort } from '#lib/vectors/embedder/embedder.port';

/** Limit of embedding one query, in milliseconds: a user waits for it (docs/concepts/resilience.md, "Numbers"). */
const TIMEOUT_MS = 2_000;

/**
 * Embeds queries within 2 s (batches of messages have more), behind a breaker of its own that opens after a few timeouts, so that searches
 * do not wait 2 s each for a model that hangs.
 */
export class QueryEmbedder extends EmbedderPort {
  readonly model: string;
  readonly dimension: number;
  private readonly call: DependencyCall;

  constructor(
    private readonly inner: EmbedderPort,
    breakers: Breakers,
  ) {
    super();
    this.model = inner.model;
    this.dimension = inner.dimension;
    // The model's own call has its own breaker, which counts its errors.
    this.call = new DependencyCall(
      { dependency: 'embedder', operation: 'query', timeoutMs: TIMEOUT_MS, resetMs: 10_000, isItsFault: () => false },
      breakers,
    );
  }

  override async embed(texts: readonly string[]): Promise<Float32Array[]> {
    return this.call.run(() => this.inner.embed(texts));
  }

  override close(): void {
    this.inner.close();
  }
}
