import { setTimeout as sleep } from 'node:timers/promises';
import { withTimeLimit } from '#lib/runtime/work/within';

/** How long and how often {@link eventually} tries. */
export interface EventuallyOptions {
  /** Give up after this many milliseconds; 10 s is four times what a cold RabbitMQ queue takes on two cores. */
  readonly timeoutMs?: number;
  /** Pause between two tries, in milliseconds. */
  readonly everyMs?: number;
  /** What is being waited for, in the words of the test: it heads the error. */
  readonly what?: string;
}

/**
 * Repeats an assertion until it passes and returns what it returned.
 * @throws the last error of the assertion, headed by how long it waited; also when a single try outlives the timeout.
 */
export async function eventually<T>(
  assertion: () => T | Promise<T>,
  { timeoutMs = 10_000, everyMs = 25, what }: EventuallyOptions = {},
): Promise<T> {
  const startedAt = performance.now();
  const endsAt = startedAt + timeoutMs;
  let lastError: unknown = new Error('the first try did not come back');
  while (performance.now() < endsAt) {
    try {
      return await withTimeLimit(endsAt - performance.now(), (async () => assertion())(), () => {
        throw lastError;
      });
    } catch (error) {
      lastError = error;
    }
    await sleep(Math.min(everyMs, Math.max(0, endsAt - performance.now())));
  }
  throw withWaitingTime(lastError, performance.now() - startedAt, what);
}

function withWaitingTime(error: unknown, waitedMs: number, what: string | undefined): Error {
  const waited = `${what ?? 'the condition'} did not come true within ${Math.round(waitedMs)} ms`;
  // The assertion's own error is kept, with its diff and its stack: test reporters render those.
  if (error instanceof Error) {
    error.message = `${waited}: ${error.message}`;
    return error;
  }
  return new Error(`${waited}: ${String(error)}`);
}
