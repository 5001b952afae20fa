import { In, type Repository, type UpdateResult } from 'typeorm';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import type { JobKind } from '#lib/contracts/jobs';
import { JobEntity } from '#lib/database/adapters/entities/job.entity';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { type EnqueuedJob, type Job, type JobDraft, JobStorePort, MOST_AT_ONCE } from '../job-store.port.js';

// One statement, so that no job is without its event. No row comes back when one of its kind and subject is open.
const ENQUEUE = `
  WITH enqueued AS (
    INSERT INTO jobs (id, kind, owner_id, subject) VALUES ($1, $2, $3, $4)
    ON CONFLICT (kind, subject) WHERE ended_at IS NULL DO NOTHING
    RETURNING id
  ), announced AS (
    INSERT INTO outbox (event_id, routing_key, envelope, headers) SELECT $5, $6, $7, $8 FROM enqueued
  )
  SELECT id FROM enqueued`;

const REMOVE = `
  DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE ended_at < $1 ORDER BY ended_at LIMIT ${MOST_AT_ONCE})`;

// The conditions twice: a job that ends while this statement waits for its row stays as it ended.
const UNTOUCHED = 'ended_at IS NULL AND kind = $1 AND updated_at < $2';
const FAIL_UNTOUCHED = `
  UPDATE jobs SET status = 'failed', ended_at = now(), updated_at = now(), subject = NULL, error = $3
   WHERE ${UNTOUCHED} AND id IN (SELECT id FROM jobs WHERE ${UNTOUCHED} LIMIT ${MOST_AT_ONCE})`;

/** Times an open job may end between being met and being read before {@link PostgresJobStore.enqueue} gives up. */
const TRIES = 3;

const OPEN = In(['queued', 'running'] as const);
const NOW = () => 'now()';

/** Jobs in the table `jobs`. */
export class PostgresJobStore extends JobStorePort {
  private readonly jobs: Repository<JobEntity>;

  constructor(private readonly dataSource: LaneDataSource) {
    super();
    this.jobs = dataSource.getRepository(JobEntity);
  }

  async enqueue({ id, kind, ownerId, subject }: JobDraft, event: ParleyEvent, headers: EventHeaders = {}): Promise<EnqueuedJob> {
    const values = [id, kind, ownerId, subject ?? null, event.eventId, event.type, event, headers];
    for (let tries = 0; tries < TRIES; tries += 1) {
      const enqueued = await this.dataSource.query<object[]>(ENQUEUE, values);
      if (enqueued.length > 0) return { job: jobFrom(await this.jobs.findOneByOrFail({ id })), isNew: true };
      const open = await this.jobs.findOneBy({ kind, subject: subject ?? '', status: OPEN });
      if (open !== null) return { job: jobFrom(open), isNew: false };
    }
    throw new Error(`${TRIES} jobs of the same subject ended while another one was asked for`);
  }

  async find(id: string): Promise<Job | undefined> {
    const job = await this.jobs.findOneBy({ id });
    return job === null ? undefined : jobFrom(job);
  }

  async start(id: string): Promise<boolean> {
    const { affected } = await this.jobs.update({ id, status: OPEN }, { status: 'running', updatedAt: NOW });
    return affected === 1;
  }

  async progress(id: string, result: Readonly<Record<string, unknown>>): Promise<void> {
    await this.change(id, {}, result);
  }

  async finish(id: string, result: Readonly<Record<string, unknown>>): Promise<void> {
    await this.change(id, { status: 'done', endedAt: NOW, subject: null }, result);
  }

  async fail(id: string, error: string): Promise<void> {
    await this.change(id, { status: 'failed', endedAt: NOW, subject: null, error }, {});
  }

  async removeEndedBefore(time: Date): Promise<number> {
    const [, count] = await this.dataSource.query<[unknown, number]>(REMOVE, [time]);
    return count;
  }

  async failUntouchedSince(time: Date, kind: JobKind, error: string): Promise<number> {
    const [, count] = await this.dataSource.query<[unknown, number]>(FAIL_UNTOUCHED, [kind, time, error]);
    return count;
  }

  private change(id: string, columns: Changes, result: Readonly<Record<string, unknown>>): Promise<UpdateResult> {
    const merged = Object.keys(result).length > 0 && { result: () => `coalesce(result, '{}') || :result::jsonb` };
    return this.jobs
      .createQueryBuilder()
      .update()
      .set({ ...columns, ...merged, updatedAt: NOW })
      .where({ id, status: OPEN })
      .setParameter('result', JSON.stringify(result))
      .execute();
  }
}

type Changes = Parameters<ReturnType<ReturnType<Repository<JobEntity>['createQueryBuilder']>['update']>['set']>[0];

const jobFrom = ({ id, kind, status, ownerId, subject, result, error, createdAt, updatedAt }: JobEntity): Job => ({
  id,
  kind,
  status,
  ownerId,
  subject,
  result,
  error,
  createdAt,
  updatedAt,
});
