import type { UserId } from '#lib/contracts/ids';
import { type Semaphore, SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { withDeadline } from '#lib/resilience/call/deadline';
import type { Pressure } from '#lib/resilience/load/pressure';
import { metrics } from '#lib/runtime/metrics/metrics';
import { RerankerPort } from './reranker.port.js';

/** R104: reranking may take this long before a search goes on without it. */
const RERANK_DEADLINE_MS = 10_000;

/**
 * Lets only `ML_RERANK_WORKERS` rerank calls run at once and gives each 10 s: models share one GPU and its memory (R095).
 * Under pressure none: a search is complete without, and says so.
 */
export class BoundedReranker extends RerankerPort {
  constructor(
    private readonly inner: RerankerPort,
    private readonly places: Semaphore,
    private readonly pressure: Pick<Pressure, 'allows'>,
  ) {
    super();
  }

  override async rerank(query: string, texts: readonly string[], caller: UserId): Promise<number[]> {
    if (!this.pressure.allows('extra')) {
      metrics.loadShed.inc({ reason: 'extra' });
      throw new SemaphoreFull('rerank');
    }
    return withDeadline(RERANK_DEADLINE_MS, ({ signal }) => this.places.run(() => this.inner.rerank(query, texts, caller), { signal }));
  }
}
