import { z } from 'zod';
import { Postpone } from '#lib/bus/outcome';
import type { UserErased } from '#lib/contracts/events';
import { RETRY_DELAYS_MS } from '#lib/contracts/pipeline';
import type { OutboxPort } from '#lib/database/outbox/outbox.port';
import type { Job, JobStorePort } from '#lib/jobs/job-store.port';
import { DependencyError } from '#lib/resilience/call/errors';
import type { Logger } from '#lib/runtime/log/logger';
import type { DrainPort } from './drain.port.js';
import { CannotErase, type Eraser } from './eraser.js';

/** Times of an erasure, in milliseconds; the defaults are for production. */
export interface ErasureTimes {
  /** Longest run of one call: then other erasures have their turn. */
  readonly sliceMs: number;
  /** What failed comes back to its queue within this time, so drained queues are looked at once more after it. */
  readonly retriesMs: number;
  /** Longest wait for queues that hold events of before. */
  readonly drainMs: number;
}

const DEFAULTS: ErasureTimes = {
  sliceMs: 20_000,
  retriesMs: RETRY_DELAYS_MS.reduce((sum, delay) => sum + delay, 0),
  drainMs: 24 * 3_600_000,
};

/** Rounds after which more that keeps coming is not waited for any longer. */
const MAX_ROUNDS = 10;
/** Events in the outbox above which the next page waits: what others send goes first. */
const MAX_WAITING_EVENTS = 2_000;
const LOOK_AGAIN_MS = 2_000;
const MEASURED_WITHIN_MS = 2_000;

/** The result of the job, and where it goes on after a crash. */
const Progress = z.object({
  phase: z.enum(['erasing', 'draining', 'confirming', 'done']).catch('erasing'),
  /** What each store held, all rounds together; a crash may lose the count of one page. */
  erased: z.record(z.string(), z.int()).catch({}),
  /** Queues and dependencies that it waits for now. */
  waitingFor: z.array(z.string()).catch([]),
  round: z.int().catch(1),
  /** Erased in this round. */
  found: z.int().catch(0),
  /** The eraser at work, by its place in the list, and where in its store. */
  eraser: z.int().catch(0),
  after: z.string().nullable().catch(null),
  /** When the first round ended. */
  erasedAt: z.iso.datetime().nullable().catch(null),
  /** Since when the queues hold nothing from before. */
  drainedAt: z.iso.datetime().nullable().catch(null),
});
type Progress = z.infer<typeof Progress>;

/**
 * Erases everything of a user, store by store and page by page. The job's result says how far it is: a process that dies is followed by one that
 * goes on there, and a page that is erased twice is empty the second time.
 *
 *     erasing --every store once--> draining --queues hold nothing from before, twice--> confirming --a round that finds nothing--> done
 *                                      `--24 h--> failed                                     `--ten rounds find something--> failed
 *
 * While a store is out the event is held (an outage is no attempt). Between two slices it is postponed, so that erasures take turns.
 */
export class EraseUser {
  private readonly times: ErasureTimes;

  constructor(
    private readonly jobs: JobStorePort,
    private readonly erasers: readonly Eraser[],
    private readonly drain: DrainPort,
    private readonly outbox: Pick<OutboxPort, 'latestDepth'>,
    private readonly logger: Logger,
    times: Partial<ErasureTimes> = {},
  ) {
    this.times = { ...DEFAULTS, ...times };
  }

  /** @throws Postpone while it is not done; DependencyError while a store is out. */
  async handle({ data: { userId, jobId } }: UserErased): Promise<void> {
    const job = await this.jobs.find(jobId);
    // Only what an administrator asked for: the job says so, not the event.
    if (job?.kind !== 'erasure' || job.subject !== userId || !(await this.jobs.start(jobId))) return;
    let progress = Progress.parse(job.result ?? {});
    const endsAt = performance.now() + this.times.sliceMs;
    try {
      while (performance.now() < endsAt) {
        progress = { ...(await this.step(progress, { ...job, subject: userId })), waitingFor: [] };
        if (progress.phase === 'done') return await this.finish(jobId, progress);
        await this.jobs.progress(jobId, progress);
      }
    } catch (error) {
      if (error instanceof CannotErase) return this.jobs.fail(jobId, error.message);
      if (error instanceof Waiting) await this.jobs.progress(jobId, { ...error.progress, waitingFor: error.holders });
      if (error instanceof DependencyError && error.dependency !== 'postgres')
        await this.jobs.progress(jobId, { waitingFor: [error.dependency] });
      throw error instanceof Waiting ? new Postpone(LOOK_AGAIN_MS, error.message) : error;
    }
    throw new Postpone(0, 'there is more to erase');
  }

  private async step(progress: Progress, job: Job & { readonly subject: string }): Promise<Progress> {
    return progress.phase === 'draining' ? this.waitForQueues(progress) : this.nextPage(progress, job);
  }

  private async nextPage(progress: Progress, { subject: userId, createdAt }: Job & { readonly subject: string }): Promise<Progress> {
    const eraser = this.erasers[progress.eraser];
    if (eraser === undefined) return endOfRound(progress);
    const depth = await this.outbox.latestDepth(MEASURED_WITHIN_MS);
    if (depth !== undefined && depth.pending > MAX_WAITING_EVENTS) throw new Waiting(progress, ['outbox']);
    const since = progress.phase === 'confirming' ? createdAt : undefined;
    const { counts, next } = await eraser.erase(userId, { after: progress.after ?? undefined, since });
    return {
      ...progress,
      erased: sum(progress.erased, counts),
      found: progress.found + Object.values(counts).reduce((total, count) => total + count, 0),
      eraser: next === undefined ? progress.eraser + 1 : progress.eraser,
      after: next ?? null,
    };
  }

  /** Twice, because what failed is in no queue while it waits to be tried again. */
  private async waitForQueues(progress: Progress): Promise<Progress> {
    const erasedAt = new Date(progress.erasedAt ?? Date.now());
    const holding = await this.drain.holding(erasedAt);
    if (holding.length > 0) {
      if (Date.now() - erasedAt.getTime() > this.times.drainMs) throw new CannotErase(heldFor(holding));
      throw new Waiting({ ...progress, drainedAt: null }, holding);
    }
    const drainedAt = progress.drainedAt ?? new Date().toISOString();
    if (Date.now() - Date.parse(drainedAt) < this.times.retriesMs) throw new Waiting({ ...progress, drainedAt }, ['retries']);
    return { ...progress, ...beginningOf(progress.round + 1), phase: 'confirming' };
  }

  private async finish(jobId: string, progress: Progress): Promise<void> {
    await this.jobs.finish(jobId, progress);
    this.logger.info({ jobId, erased: progress.erased, rounds: progress.round }, 'a user is erased');
  }
}

/** It is not done and nothing is wrong: `progress` is what is known by now. */
class Waiting extends Error {
  constructor(
    readonly progress: Progress,
    readonly holders: readonly string[],
  ) {
    super(`waits for ${holders.join(', ')}`);
  }
}

const beginningOf = (round: number) => ({ round, found: 0, eraser: 0, after: null });

const endOfRound = (progress: Progress): Progress => {
  if (progress.phase === 'erasing') return { ...progress, phase: 'draining', erasedAt: new Date().toISOString() };
  if (progress.found === 0) return { ...progress, phase: 'done' };
  if (progress.round < MAX_ROUNDS) return { ...progress, ...beginningOf(progress.round + 1) };
  throw new CannotErase('The user keeps writing: revoke its tokens, then ask again.');
};

const heldFor = (holding: readonly string[]): string =>
  `Everything is erased but events in ${holding.join(', ')}, which did not drain within a day: see to that, then ask again.`;

const sum = (counts: Readonly<Record<string, number>>, more: Readonly<Record<string, number>>): Record<string, number> => {
  const total = { ...counts };
  for (const [store, count] of Object.entries(more)) total[store] = (total[store] ?? 0) + count;
  return total;
};
