import { z } from 'zod';

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** What a client should do. */
  readonly advice: string;
}

/** Every error a client can see (RFC 9457 `code`). */
export const problems = {
  validation: {
    status: 400,
    title: 'The request is not valid',
    retryable: false,
    advice: 'Correct what `errors` names and send it again. Nothing was stored.',
  },
  unauthenticated: {
    status: 401,
    title: 'A valid token is needed',
    retryable: false,
    advice: 'Send `Authorization: Bearer <JWT>`. When `detail` says that the token has expired, get a new one.',
  },
  forbidden: {
    status: 403,
    title: 'Not allowed',
    retryable: false,
    advice: 'Ask a user who may do it, or an operator with the scope `admin`.',
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    retryable: false,
    advice: 'Check the path and the id. What you may not see is not there for you either.',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'The idempotency key was used with another body',
    retryable: false,
    advice: 'Take a new key for a new request; send the same body with the same key to repeat the old one.',
  },
  'version-conflict': {
    status: 412,
    title: 'It was changed meanwhile',
    retryable: false,
    advice: 'Read it again, decide with the new version, and send that in `If-Match`.',
  },
  'payload-too-large': { status: 413, title: 'The body is too large', retryable: false, advice: 'Send less, in several requests.' },
  'rate-limited': {
    status: 429,
    title: 'Your quota is used up',
    retryable: true,
    advice: 'Wait as long as `Retry-After` says. `RateLimit` tells beforehand what is left.',
  },
  overloaded: {
    status: 503,
    title: 'The system is full',
    retryable: true,
    advice: 'Wait as long as `Retry-After` says, then send it again with the same idempotency key.',
  },
  'dependency-unavailable': {
    status: 503,
    title: 'A part of the system is unavailable',
    retryable: true,
    advice: 'Wait as long as `Retry-After` says, then send it again with the same idempotency key.',
  },
  timeout: {
    status: 503,
    title: 'It took too long',
    retryable: true,
    advice: 'Its outcome is unknown: send it again with the same idempotency key to find out.',
  },
  internal: { status: 500, title: 'Something went wrong on our side', retryable: false, advice: 'Tell an operator the `requestId`.' },
} as const satisfies Readonly<Record<string, ProblemKind>>;
export type ProblemCode = keyof typeof problems;

/** Body of every error answer, `application/problem+json` (RFC 9457). */
export const Problem = z
  .object({
    type: z
      .string()
      .meta({ description: 'Where this kind of problem is explained, relative to this server', examples: ['/problems#validation'] }),
    title: z.string().meta({ description: 'The kind of problem, for people' }),
    status: z.int().meta({ description: 'The HTTP status', examples: [400] }),
    detail: z.string().meta({ description: 'What is wrong this time, for people' }),
    instance: z.string().meta({ description: 'Path of the request' }),
    code: z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]]).meta({ description: 'The kind of problem, for programs' }),
    requestId: z.string().meta({ description: 'What to name when asking about it; every log line of the request has it' }),
    retryable: z.boolean().meta({ description: 'Whether the same request may succeed later' }),
    errors: z
      .array(z.object({ pointer: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'What is wrong where: JSON pointers into the body, or the name of a parameter after a slash' }),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

/**
 * An error that is meant for the caller: core code throws it, each edge (HTTP, WebSocket) renders it its own way.
 * `detail` is shown to the caller as it is: no driver text, no content, no secrets.
 */
export class ProblemError extends Error {
  /** The status of its code, or a more precise one of the same class (405 is a `not-found`, 415 a `validation`). */
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  readonly errors: readonly { pointer: string; message: string }[] | undefined;

  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    options: {
      cause?: unknown;
      status?: number;
      retryAfterSeconds?: number;
      errors?: readonly { pointer: string; message: string }[];
    } = {},
  ) {
    super(`${code}: ${detail}`, { cause: options.cause });
    this.name = 'ProblemError';
    this.status = options.status ?? problems[code].status;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.errors = options.errors;
  }
}
