import type { UserId } from '#lib/contracts/ids';

/** Orders a few candidates anew by reading them together with the query (R108). */
export abstract class RerankerPort {
  /**
   * One score per text, in the order of `texts`; higher is better, comparable within one answer only. `caller` is on whose behalf.
   * Throws DependencyError, DeadlineExceeded or SemaphoreFull when it cannot: the caller then keeps the order that it has.
   */
  abstract rerank(query: string, texts: readonly string[], caller: UserId): Promise<number[]>;
}
