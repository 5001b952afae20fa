import { Postpone } from '#lib/bus/outcome';
import type { DocumentCreated } from '#lib/contracts/events';
import type { DocumentIndexingPort } from '#lib/conversations/documents/document-indexing.port';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { IndexMessages } from './index-messages.js';

/** How much is done at once, and for how long. */
export interface DocumentLimits {
  /** Batches under way at once (INDEX_WORKERS); of them one at a time writes to the vector store. */
  readonly batches: number;
  /** Milliseconds after which no further batch begins. */
  readonly workMs: number;
}

/**
 * Parts of one batch, at most: 60 vectors, for which Chroma takes hardly longer each than for 100, and messages wait for one such write. The first
 * batches have one part: how slow the model is shows.
 */
const PARTS_AT_ONCE = 3;
/** Milliseconds of a batch below which the next one is larger, and above which it is one part. */
const QUICK_MS = 2_000;
const SLOW_MS = 5_000;
/** Two thirds of the 30 s that a file has: the rest is for the batches that are under way. */
export const WORK_MS = 20_000;
/** What of the rest batches may take: they end before the deadline of the handler ends them, which would lose an attempt. */
const LAST_BATCH_MS = 8_000;

/** What came of the parts that were to be indexed. */
interface Progress {
  indexedCount: number;
  leftCount: number;
  /** Of the first batch that failed. */
  failure: Error | undefined;
  outage: DependencyError | undefined;
}

/**
 * Indexes a document part by part (ADR 35). The ledger says which parts are left, so a delivery after a crash goes on where the one before it
 * ended, and so does one after the time of a file was over:
 *
 *     parts left? --no--> done
 *          `--yes: in batches--(all)--> done
 *                     |--(time is over, some were indexed)--> postponed: the next delivery goes on, no attempt is lost
 *                     |--(a dependency is out)--> held until it is back
 *                     `--(a part cannot be indexed, or none was in time)--> an attempt is lost; after the last: failed
 */
export class IndexDocument {
  constructor(
    private readonly documents: DocumentIndexingPort,
    private readonly parts: IndexMessages,
    private readonly model: string,
    private readonly limits: DocumentLimits,
  ) {}

  /** @throws DependencyError when a dependency is out, TextRejected when the model refuses a text, Postpone when the time is over. */
  async handle({ type, data: { documentId } }: DocumentCreated): Promise<void> {
    if (!(await this.documents.begin(documentId))) {
      // Waiting is useless: an event is published after the commit of its document.
      metrics.indexingIgnored.inc({ type });
      return;
    }
    const { indexedCount, leftCount, failure, outage } = await this.index(await this.documents.partsToIndex(documentId, this.model));
    if (outage !== undefined) throw outage;
    if (leftCount > 0 && indexedCount > 0) throw new Postpone(0, `${leftCount} parts of the document are left`);
    if (failure !== undefined) throw failure;
    await this.documents.end(documentId, 'done');
  }

  private async index(ids: readonly string[]): Promise<Progress> {
    const endsAt = performance.now() + this.limits.workMs;
    const progress: Progress = { indexedCount: 0, leftCount: ids.length, failure: undefined, outage: undefined };
    let next = 0;
    const lane = async () => {
      for (let size = 1; next < ids.length && progress.outage === undefined && performance.now() < endsAt; ) {
        const batch = ids.slice(next, (next += size));
        const startedAt = performance.now();
        const indexing = withDeadline(endsAt + LAST_BATCH_MS - startedAt, () => this.parts.index(batch));
        note(progress, batch.length, await failureOf(indexing));
        size = sizeAfter(size, performance.now() - startedAt);
      }
    };
    await Promise.all(Array.from({ length: this.limits.batches }, lane));
    return progress;
  }
}

/** Counts a batch that ended. What was too slow is left for the next delivery; what failed by itself is tried again only with an attempt. */
function note(progress: Progress, partCount: number, failure: Error | undefined): void {
  if (failure === undefined) progress.indexedCount += partCount;
  if (!(failure instanceof DeadlineExceeded)) progress.leftCount -= partCount;
  if (failure instanceof DependencyError) progress.outage = failure;
  progress.failure ??= failure;
}

/** Parts of the batch after one of `size` that took so long. */
function sizeAfter(size: number, tookMs: number): number {
  if (tookMs < QUICK_MS) return Math.min(2 * size, PARTS_AT_ONCE);
  return tookMs > SLOW_MS ? 1 : size;
}

const failureOf = (work: Promise<void>): Promise<Error | undefined> =>
  work.then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error : new Error('a part failed', { cause: error })),
  );
