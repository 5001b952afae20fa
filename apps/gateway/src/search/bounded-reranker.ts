import type { UserId } from '#lib/contracts/ids';
import { type Semaphore, SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { withDeadline } from '#lib/resilience/call/deadline';
import type { Pressure } from '#lib/resilience/load/pressure';
import { metrics } from '#lib/runtime/metrics/metrics';
import { RerankerPort } from './reranker.port.js';

/** Limit of one rerank call in milliseconds (R104); after it the search goes on without. */
const RERANK_DEADLINE_MS = 10_000;

/**
 * Runs at most `ML_RERANK_WORKERS` rerank calls at once, 10 s each: models share one GPU and its memory (R095).
 * Skips reranking under pressure; the search then names it in `degraded`.
 */
export class BoundedReranker extends RerankerPort {
  constructor(
    private readonly inner: RerankerPort,
    private readonly semaphore: Semaphore,
    private readonly pressure: Pick<Pressure, 'allows'>,
  ) {
    super();
  }

  override async rerank(query: string, texts: readonly string[], caller: UserId): Promise<number[]> {
    if (!this.pressure.allows('extra')) {
      metrics.loadShed.inc({ reason: 'extra' });
      throw new SemaphoreFull('rerank');
    }
    return withDeadline(RERANK_DEADLINE_MS, ({ signal }) => this.semaphore.run(() => this.inner.rerank(query, texts, caller), { signal }));
  }
}
