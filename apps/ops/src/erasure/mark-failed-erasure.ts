import { Injectable } from '@nestjs/common';
import type { ParleyEvent } from '#lib/contracts/events';
import { JobStorePort } from '#lib/jobs/job-store.port';

/** Ends the job of an erasure that became a dead letter: else it would be open for ever, and asking again would give it. */
@Injectable()
export class MarkFailedErasure {
  constructor(private readonly jobs: JobStorePort) {}

  /** @throws DependencyError when Postgres is out. */
  async mark({ type, data }: ParleyEvent): Promise<void> {
    if (type !== 'user.erased') return;
    const job = await this.jobs.find(data.jobId);
    if (job?.kind !== 'erasure' || job.subject !== data.userId) return;
    await this.jobs.fail(data.jobId, 'It failed three times: the dead letter in ops.erasures says why. Ask again when that is seen to.');
  }
}
