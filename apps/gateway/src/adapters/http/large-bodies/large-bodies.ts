import { Piscina } from 'piscina';
import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { currentDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded } from '#lib/resilience/call/errors';
import { Semaphore, SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { SemaphorePerCaller } from '#lib/resilience/limit/semaphore-per-caller';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { threadEntry } from '#lib/runtime/workers/thread-entry';
import type { BodyKindName, MadeOf } from './body-kinds.js';
import type { BodyJob } from './large-body-worker.js';
import { type BodyRead, readBody } from './read-body.js';

const POOL = 'large_bodies';
/** A caller has one thread at a time, so with two a body of another caller never waits for all of its bodies. */
const THREADS = 2;
/** Bodies that may wait, of all callers and of one. Their bytes are bounded at the edge (64 MiB, 16 MiB). */
const MAX_WAITING = 200;
const MAX_WAITING_PER_CALLER = 8;
/** A body of up to this many bytes is read in place: at most some milliseconds, as long as a message takes; a thread costs a tenth of that. */
const AT_ONCE = 16_384;
/** Bodies above this came in several chunks and are alone in their memory (arriving-body.ts), which is moved; others are copied. */
const ALONE = 131_072;
/**
 * Longest time of one body in a thread, in milliseconds; then the thread is replaced. 10 MB of ordinary text take 0.1 s, of the strangest
 * 1 s, on a core of its own. Time on the wall, so it leaves six times that for a machine that is busy; the rest of a route's 8 s is for Postgres.
 */
const LIMIT_MS = 6_500;
/** Threads without a body end after this long: their heap is worth more than the 0.1 s that a new one takes. */
const IDLE_MS = 30_000;
/** Heap of a thread in MB: a body of 10 MB is at most 20 MB of text, held as JSON, as what the schema made of it, and as lines. */
const resourceLimits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 } as const;
/** Lower priority of the threads: the event loop goes first where both want one core. */
const NICE = 5;

/**
 * Reads large bodies in worker threads, off the event loop: UTF-8, shape, JSON, schema with the text policy, and what its kind makes of it. The bytes
 * are moved there and not copied. One body per thread and caller; waiting bodies are taken in turn, one of each caller (fair-queue.ts).
 */
export class LargeBodies {
  private pool: Piscina<BodyJob, unknown> | undefined;
  private readonly ofCaller = new SemaphorePerCaller(`${POOL}_of_caller`, { concurrent: 1, queued: MAX_WAITING_PER_CALLER });
  private readonly turns = new Semaphore(POOL, { concurrent: THREADS, queued: MAX_WAITING });
  private isClosed = false;

  /** @param limitMs longest time of one body in a thread. */
  constructor(
    private readonly logger: Logger,
    private readonly limitMs = LIMIT_MS,
  ) {}

  /**
   * What `kind` makes of a body. `body` must not be used afterwards: its memory is gone.
   * @throws ProblemError `validation` with the first fields that are wrong, `rate-limited` when the caller has too many waiting; SemaphoreFull when
   * all have; DeadlineExceeded when it takes too long.
   */
  async read<Name extends BodyKindName>(kind: Name, caller: UserId, body: Buffer): Promise<MadeOf<Name>> {
    const read = body.length <= AT_ONCE ? readBody(kind, body) : await this.inTurn(kind, caller, body);
    if (read.refusal === undefined) return read.made;
    const { detail, errors } = read.refusal;
    throw new ProblemError('validation', detail, errors === undefined ? {} : { errors });
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.turns.refuseWaiting(() => new SemaphoreFull(POOL));
    await this.pool?.destroy();
  }

  private async inTurn<Name extends BodyKindName>(kind: Name, caller: UserId, body: Buffer): Promise<BodyRead<Name>> {
    const signal = currentDeadline()?.signal;
    let isMyTurn = false;
    const mine = () => {
      isMyTurn = true;
      return this.turns.run(() => this.inThread(kind, body), { signal, caller });
    };
    try {
      return await this.ofCaller.run(caller, mine, { signal });
    } catch (error) {
      if (isMyTurn || !(error instanceof SemaphoreFull)) throw error;
      metrics.rateLimited.inc({ scope: 'large_bodies' });
      throw new ProblemError('rate-limited', 'You are sending too many large bodies at once.', { cause: error, retryAfterSeconds: 1 });
    }
  }

  private async inThread<Name extends BodyKindName>(kind: Name, body: Buffer): Promise<BodyRead<Name>> {
    if (this.isClosed) throw new SemaphoreFull(POOL); // after the wait: `close` may have come in between
    this.pool ??= this.start();
    const bytes = body.length > ALONE ? body : Uint8Array.from(body);
    const limit = AbortSignal.timeout(this.limitMs);
    const deadline = currentDeadline();
    const signal = deadline === undefined ? limit : AbortSignal.any([limit, deadline.signal]);
    try {
      return (await this.pool.run({ kind, bytes }, { signal, transferList: [bytes.buffer as ArrayBuffer] })) as BodyRead<Name>;
    } catch (error) {
      if (error instanceof Error && error.name === 'AbortError') throw new DeadlineExceeded(this.limitMs);
      if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY')
        throw new ProblemError('validation', 'The body takes too much memory to read.', { cause: error });
      throw error;
    }
  }

  private start(): Piscina<BodyJob, unknown> {
    const pool = new Piscina<BodyJob, unknown>({
      ...threadEntry('./large-body-worker.js', import.meta.url),
      minThreads: 0,
      maxThreads: THREADS,
      idleTimeout: IDLE_MS,
      niceIncrement: NICE,
      resourceLimits,
    });
    // piscina replaces a thread that dies without a body; without a listener its error would end the process.
    pool.on('error', (err) => this.logger.error({ err }, 'a thread for large bodies died'));
    return pool;
  }
}
