import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { UserId } from '#lib/contracts/ids';
import { JobView } from '#lib/contracts/jobs';
import { ProblemError } from '#lib/contracts/problems';
import { JobStorePort } from '#lib/jobs/job-store.port';
import { FromPath } from '../problems/validation.js';
import { Caller, SeesAllJobs } from './parameters.js';

const JobRef = z.strictObject({ jobId: z.uuid().toLowerCase() });
type JobRef = z.infer<typeof JobRef>;

@ApiTags('jobs')
@Controller('v1/jobs')
export class JobsController {
  constructor(private readonly jobs: JobStorePort) {}

  @Get(':jobId')
  @ApiOperation({
    operationId: 'getJob',
    summary: 'How far a job of mine is, and what came of it',
    description: 'A token with the scope `service` or `admin` sees every job.',
  })
  @ApiOkResponse({ standardSchema: JobView })
  async get(@Caller() caller: UserId, @SeesAllJobs() seesAll: boolean, @FromPath(JobRef) { jobId }: JobRef): Promise<JobView> {
    const job = await this.jobs.find(jobId);
    if (job === undefined || (job.ownerId !== caller && !seesAll)) throw new ProblemError('not-found', 'There is no such job.');
    const { id, kind, status, error, createdAt, updatedAt } = job;
    const result = job.result as JobView['result'];
    return { id, kind, status, result, error, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
  }
}
