import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import type { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import type { JobKind } from '#lib/contracts/jobs';
import { type EnqueuedJob, type Job, type JobDraft, JobStorePort, MOST_AT_ONCE } from '../job-store.port.js';

/** Jobs in memory, for tests and development. */
export class MemoryJobStore extends JobStorePort {
  private readonly jobs = new Map<string, Job>();

  constructor(private readonly outbox: MemoryOutbox) {
    super();
  }

  async enqueue({ id, kind, ownerId, subject }: JobDraft, event: ParleyEvent, headers: EventHeaders = {}): Promise<EnqueuedJob> {
    const isSame = (job: Job) => subject !== undefined && job.subject === subject && job.kind === kind && isOpen(job);
    const earlier = [...this.jobs.values()].find(isSame);
    if (earlier !== undefined) return { job: earlier, isNew: false };
    const now = new Date();
    const about = { id, kind, ownerId, subject: subject ?? null };
    const job: Job = { ...about, status: 'queued', result: null, error: null, createdAt: now, updatedAt: now };
    this.jobs.set(id, job);
    this.outbox.add(event, headers);
    return { job, isNew: true };
  }

  async find(id: string): Promise<Job | undefined> {
    return this.jobs.get(id);
  }

  async start(id: string): Promise<boolean> {
    return this.change(id, () => ({ status: 'running' }));
  }

  async progress(id: string, result: Readonly<Record<string, unknown>>): Promise<void> {
    this.change(id, (job) => ({ result: { ...job.result, ...result } }));
  }

  async finish(id: string, result: Readonly<Record<string, unknown>>): Promise<void> {
    this.change(id, (job) => ({ status: 'done', subject: null, result: { ...job.result, ...result } }));
  }

  async fail(id: string, error: string): Promise<void> {
    this.change(id, () => ({ status: 'failed', subject: null, error }));
  }

  async removeEndedBefore(time: Date): Promise<number> {
    const ended = [...this.jobs.values()].filter((job) => !isOpen(job) && job.updatedAt < time).slice(0, MOST_AT_ONCE);
    for (const { id } of ended) this.jobs.delete(id);
    return ended.length;
  }

  async failUntouchedSince(time: Date, kind: JobKind, error: string): Promise<number> {
    const isUntouched = (job: Job) => isOpen(job) && job.kind === kind && job.updatedAt < time;
    const untouched = [...this.jobs.values()].filter(isUntouched).slice(0, MOST_AT_ONCE);
    for (const { id } of untouched) await this.fail(id, error);
    return untouched.length;
  }

  /** Changes a job that has not ended. */
  private change(id: string, how: (job: Job) => Partial<Job>): boolean {
    const job = this.jobs.get(id);
    if (job === undefined || !isOpen(job)) return false;
    this.jobs.set(id, { ...job, ...how(job), updatedAt: new Date() });
    return true;
  }
}

const isOpen = ({ status }: Job): boolean => status === 'queued' || status === 'running';
