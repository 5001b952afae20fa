import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import type { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { type EnqueuedJob, type Job, type JobDraft, JobStorePort, REMOVED_AT_ONCE } from '../job-store.port.js';

interface Held {
  job: Job;
  readonly subject: string | undefined;
}

/** Jobs in memory, for tests and development. */
export class MemoryJobStore extends JobStorePort {
  private readonly held = new Map<string, Held>();

  constructor(private readonly outbox: MemoryOutbox) {
    super();
  }

  async enqueue({ id, kind, ownerId, subject }: JobDraft, event: ParleyEvent, headers: EventHeaders = {}): Promise<EnqueuedJob> {
    const isSame = (one: Held) => subject !== undefined && one.subject === subject && one.job.kind === kind && isOpen(one.job);
    const earlier = [...this.held.values()].find(isSame);
    if (earlier !== undefined) return { job: earlier.job, isNew: false };
    const now = new Date();
    const job: Job = { id, kind, status: 'queued', ownerId, result: null, error: null, createdAt: now, updatedAt: now };
    this.held.set(id, { job, subject });
    this.outbox.add(event, headers);
    return { job, isNew: true };
  }

  async find(id: string): Promise<Job | undefined> {
    return this.held.get(id)?.job;
  }

  async start(id: string): Promise<boolean> {
    return this.change(id, () => ({ status: 'running' }));
  }

  async progress(id: string, result: Readonly<Record<string, unknown>>): Promise<void> {
    this.change(id, (job) => ({ result: { ...job.result, ...result } }));
  }

  async finish(id: string, result: Readonly<Record<string, unknown>>): Promise<void> {
    this.change(id, (job) => ({ status: 'done', result: { ...job.result, ...result } }));
  }

  async fail(id: string, error: string): Promise<void> {
    this.change(id, () => ({ status: 'failed', error }));
  }

  async removeEndedBefore(time: Date): Promise<number> {
    const ended = [...this.held.values()].filter(({ job }) => !isOpen(job) && job.updatedAt < time).slice(0, REMOVED_AT_ONCE);
    for (const { job } of ended) this.held.delete(job.id);
    return ended.length;
  }

  /** Changes a job that has not ended. */
  private change(id: string, how: (job: Job) => Partial<Job>): boolean {
    const one = this.held.get(id);
    if (one === undefined || !isOpen(one.job)) return false;
    one.job = { ...one.job, ...how(one.job), updatedAt: new Date() };
    return true;
  }
}

const isOpen = ({ status }: Job): boolean => status === 'queued' || status === 'running';
