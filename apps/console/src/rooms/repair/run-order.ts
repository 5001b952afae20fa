import type { DeadLetterOutcome } from '#lib/contracts/admin';

/** What is done to which dead letters of one queue. */
export interface Order {
  readonly queue: string;
  readonly ids: readonly string[];
  /** undefined = as fast as RabbitMQ takes them. */
  readonly ratePerSecond?: number | undefined;
  readonly force?: boolean;
}

/** How far an order has come. */
export interface Progress {
  readonly total: number;
  readonly done: number;
  readonly refused: readonly { readonly id: string; readonly reason: string }[];
  readonly notFound: readonly string[];
  /** Why it ended before its end: what RabbitMQ said, or the operator. */
  readonly stoppedBy: string | undefined;
}

/** One request: the letters with these ids, at the rate of the order. @throws ApiError. */
type Send = (order: Order) => Promise<DeadLetterOutcome>;

/** Letters of one request without a rate. */
const MOST_AT_ONCE = 100;
/** With a rate a request takes about so long, so that progress shows and a stop comes soon. */
const SLICE_SECONDS = 2;

/**
 * Executes an order in small requests, each for ids that a dry run has named, so that letters that arrive meanwhile stay out of it; the rate is
 * that of all of them together. @throws what `send` throws; `onProgress` has told what was done before.
 */
export async function runOrder(order: Order, send: Send, onProgress: (progress: Progress) => void, stop: AbortSignal): Promise<Progress> {
  const { ids, ratePerSecond } = order;
  const most = ratePerSecond === undefined ? MOST_AT_ONCE : Math.min(MOST_AT_ONCE, Math.max(1, Math.round(ratePerSecond * SLICE_SECONDS)));
  const startedAt = performance.now();
  let progress: Progress = { total: ids.length, done: 0, refused: [], notFound: [], stoppedBy: undefined };
  let left = [...ids];
  while (left.length > 0) {
    if (stop.aborted) return { ...progress, stoppedBy: 'stopped' };
    const slice = left.slice(0, most);
    const outcome = await send({ ...order, ids: slice });
    const undone = outcome.stoppedBy === null ? [] : (outcome.next?.ids ?? []);
    left = [...undone, ...left.slice(most)];
    progress = {
      ...progress,
      done: progress.done + outcome.done,
      refused: [...progress.refused, ...outcome.refused],
      notFound: [...progress.notFound, ...outcome.notFound],
      stoppedBy: outcome.stoppedBy === null || outcome.stoppedBy === 'time' ? undefined : outcome.stoppedBy,
    };
    onProgress(progress);
    if (progress.stoppedBy !== undefined) return progress;
    if (ratePerSecond !== undefined && left.length > 0) await until(startedAt + (progress.done / ratePerSecond) * 1_000, stop);
  }
  return progress;
}

/** Resolves at that time of `performance.now()`, or when it is stopped. */
async function until(time: number, stop: AbortSignal): Promise<void> {
  const waitMs = time - performance.now();
  if (waitMs <= 0) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    stop.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
