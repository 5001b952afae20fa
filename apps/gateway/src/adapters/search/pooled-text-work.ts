import { Piscina } from 'piscina';
import type { UserId } from '#lib/contracts/ids';
import { Semaphore, SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { currentDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded } from '#lib/resilience/call/errors';
import type { Logger } from '#lib/runtime/log/logger';
import { threadEntry } from '#lib/runtime/workers/thread-entry';
import { beginningOf } from '../../search/highlight.js';
import { MAX_HIGHLIGHTED, TextWorkPort } from '../../search/text-work.port.js';
import { doTextJob, type TextJob, type TextJobResult } from './text-jobs.js';

const POOL = 'text';
/** A job of up to this many UTF-16 units runs in place, in less than a millisecond: handing it to a thread costs about as much. */
const AT_ONCE = 16_384;
/** Jobs that may wait, of all callers and of one. A job takes up to 40 ms; one caller's quota makes about ten requests at a time. */
const MAX_WAITING = 1_000;
const MAX_WAITING_PER_CALLER = 64;
/** Limit of one job in milliseconds, above loading the vocabulary on a busy machine; a thread that exceeds it is replaced. */
const JOB_LIMIT_MS = 10_000;
/** Heap of a thread in MB: three times what the vocabulary and the longest texts take. */
const resourceLimits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 16 } as const;
/** Lower priority of the threads: the event loop goes first where both want one core. */
const NICE = 10;

/**
 * Runs text work in worker threads, off the event loop. One job per thread; waiting jobs are taken in turn, one of each caller
 * (fair-queue.ts), within the deadline of their request. The threads start with the first job and end with `close`.
 */
export class PooledTextWork extends TextWorkPort {
  private pool: Piscina<TextJob, TextJobResult[TextJob['kind']]> | undefined;
  private readonly turns: Semaphore;
  private isClosed = false;

  /** `threads`: TEXT_WORKERS. */
  constructor(
    private readonly threads: number,
    private readonly logger: Logger,
  ) {
    super();
    this.turns = new Semaphore(POOL, { concurrent: threads, queued: MAX_WAITING, queuedPerCaller: MAX_WAITING_PER_CALLER });
  }

  override async excerpts(caller: UserId, query: string, texts: readonly string[]): Promise<string[]> {
    // Texts beyond the budget are not sent to a thread: copying a megabyte takes longer than cutting off its beginning.
    const reached: string[] = [];
    let left = MAX_HIGHLIGHTED;
    for (const text of texts) {
      if (left <= 0) break;
      reached.push(text);
      left -= text.length;
    }
    const job: TextJob = { kind: 'excerpts', query, texts: reached, maxRead: MAX_HIGHLIGHTED };
    const found = (await this.soonOrIn(caller, job)) as TextJobResult['excerpts'];
    return [...found, ...texts.slice(reached.length).map(beginningOf)];
  }

  override async passages(
    caller: UserId,
    query: string,
    texts: readonly string[],
    chunks: readonly (number | undefined)[],
  ): Promise<string[]> {
    return (await this.soonOrIn(caller, { kind: 'passages', query, texts, chunks })) as TextJobResult['passages'];
  }

  override async overlap(caller: UserId, query: string, texts: readonly string[]): Promise<number[]> {
    return (await this.soonOrIn(caller, { kind: 'overlap', query, texts })) as TextJobResult['overlap'];
  }

  // Never in place: only the threads load the vocabulary.
  override async tokens(caller: UserId, texts: readonly string[], limit: number): Promise<number[]> {
    return (await this.submit(caller, { kind: 'tokens', texts, limit })) as TextJobResult['tokens'];
  }

  override async close(): Promise<void> {
    this.isClosed = true;
    this.turns.refuseWaiting(() => new SemaphoreFull(POOL));
    await this.pool?.destroy();
  }

  private async soonOrIn(caller: UserId, job: TextJob): Promise<TextJobResult[TextJob['kind']]> {
    const units = job.texts.reduce((sum, { length }) => sum + length, 0);
    return units <= AT_ONCE ? doTextJob(job) : this.submit(caller, job);
  }

  private async submit(caller: UserId, job: TextJob): Promise<TextJobResult[TextJob['kind']]> {
    return this.turns.run(() => this.inThread(job), { signal: currentDeadline()?.signal, caller });
  }

  /** The limit belongs to the job, not to the request: ending a thread with each request that gives up would reload the vocabulary each time. */
  private async inThread(job: TextJob): Promise<TextJobResult[TextJob['kind']]> {
    if (this.isClosed) throw new SemaphoreFull(POOL); // after the wait: `close` may have come in between
    this.pool ??= this.start();
    try {
      return await this.pool.run(job, { signal: AbortSignal.timeout(JOB_LIMIT_MS) });
    } catch (error) {
      if (error instanceof Error && error.name === 'AbortError') throw new DeadlineExceeded(JOB_LIMIT_MS);
      throw error;
    }
  }

  private start(): Piscina<TextJob, TextJobResult[TextJob['kind']]> {
    const pool = new Piscina<TextJob, TextJobResult[TextJob['kind']]>({
      ...threadEntry('./text-worker.js', import.meta.url),
      minThreads: this.threads,
      maxThreads: this.threads,
      niceIncrement: NICE,
      resourceLimits,
    });
    // piscina replaces a thread that dies without a job; without a listener its error would end the process.
    pool.on('error', (err) => this.logger.error({ err }, 'a text thread died'));
    return pool;
  }
}
