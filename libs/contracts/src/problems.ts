import { z } from 'zod';

/** Every error a client can see (RFC 9457 `code`), with its HTTP status and whether the same request may succeed later. */
export const problems = {
  validation: { status: 400, title: 'The request is not valid', retryable: false },
  unauthenticated: { status: 401, title: 'A valid token is needed', retryable: false },
  forbidden: { status: 403, title: 'Not allowed', retryable: false },
  'not-found': { status: 404, title: 'Not found', retryable: false },
  'idempotency-key-reused': { status: 422, title: 'The idempotency key was used with another body', retryable: false },
  'version-conflict': { status: 412, title: 'Somebody changed it first', retryable: false },
  'payload-too-large': { status: 413, title: 'The body is too large', retryable: false },
  'rate-limited': { status: 429, title: 'Your quota is used up', retryable: true },
  overloaded: { status: 503, title: 'The system is full', retryable: true },
  'dependency-unavailable': { status: 503, title: 'A part of the system is unavailable', retryable: true },
  timeout: { status: 503, title: 'It took too long', retryable: true },
  internal: { status: 500, title: 'Something went wrong on our side', retryable: false },
} as const;
export type ProblemCode = keyof typeof problems;

/** Body of every error answer, `application/problem+json` (RFC 9457). */
export const Problem = z
  .object({
    type: z.string().meta({ description: 'URI of the documentation of this problem', examples: ['urn:parley:problem:validation'] }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().meta({ description: 'Path of the request' }),
    code: z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]]),
    requestId: z.string(),
    retryable: z.boolean(),
    errors: z.array(z.object({ pointer: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

/**
 * An error that is meant for the caller: core code throws it, each edge (HTTP, WebSocket) renders it its own way.
 * `detail` is shown to the caller as it is: no driver text, no content, no secrets.
 */
export class ProblemError extends Error {
  readonly retryAfterSeconds: number | undefined;
  readonly errors: readonly { pointer: string; message: string }[] | undefined;

  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    options: { cause?: unknown; retryAfterSeconds?: number; errors?: readonly { pointer: string; message: string }[] } = {},
  ) {
    super(`${code}: ${detail}`, { cause: options.cause });
    this.name = 'ProblemError';
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.errors = options.errors;
  }
}
