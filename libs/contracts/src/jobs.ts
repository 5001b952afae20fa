import { z } from 'zod';

/** What a job does. */
export const JobKind = z.enum(['score', 'erasure']);
export type JobKind = z.infer<typeof JobKind>;

/**
 *     queued -> running -> done | failed
 *
 * A job whose process died is run again from where it was: `running` may begin more than once.
 */
export const JobStatus = z.enum(['queued', 'running', 'done', 'failed']);
export type JobStatus = z.infer<typeof JobStatus>;

/** `GET /v1/jobs/{id}`. */
export const JobView = z
  .object({
    id: z.uuid(),
    kind: JobKind,
    status: JobStatus,
    result: z.record(z.string(), z.json()).nullable().meta({ description: 'What came out, also so far while it runs; null: nothing yet' }),
    error: z.string().nullable().meta({ description: 'Why it failed, in a sentence' }),
    createdAt: z.iso.datetime({ offset: true }),
    updatedAt: z.iso.datetime({ offset: true }),
  })
  .meta({ id: 'Job' });
export type JobView = z.infer<typeof JobView>;

/** Answer of a route that starts a job. */
export const JobAccepted = z.object({ jobId: z.uuid() }).meta({ id: 'JobAccepted' });
export type JobAccepted = z.infer<typeof JobAccepted>;
