import { HttpException } from '@nestjs/common';
import type { Problem, ProblemCode } from '#lib/contracts/problems';
import { ProblemError, problems } from '#lib/contracts/problems';
import { InvalidToken } from '#lib/auth/token-verifier.port';
import { problemOf } from '#lib/resilience/problem-of';

/** Media type of every error answer (RFC 9457). */
export const PROBLEM_TYPE = 'application/problem+json';

/** The page that explains every problem; the `type` of one is its place on it. */
export const PROBLEMS_PAGE = '/problems';

/** `Retry-After` of 503 and 429 where the error has no time of its own. */
const DEFAULT_RETRY_SECONDS = 1;

/** The problem for anything that was thrown while answering. It carries no message of a driver and no stack. */
export const problemErrorOf = (error: unknown): ProblemError => {
  const known = problemOf(error);
  if (known !== undefined) return known;
  if (error instanceof InvalidToken) return error.problem;
  if (error instanceof HttpException) return frameworkProblem(error.getStatus(), error.cause ?? error);
  if (isFastifyError(error)) return frameworkProblem(error.statusCode, error);
  return new ProblemError('internal', 'Something went wrong on our side. It is logged under this request id.', { cause: error });
};

/** The body of an error answer. `instance` is the path of the request without its query, which may hold search terms. */
export const renderProblem = (
  { code, status, detail, errors }: ProblemError,
  { url, requestId }: { url: string; requestId: string },
): Problem => {
  const { title, retryable } = problems[code];
  return {
    type: `${PROBLEMS_PAGE}#${code}`,
    title,
    status,
    detail,
    instance: pathOf(url),
    code,
    requestId,
    retryable,
    ...(errors === undefined ? {} : { errors: [...errors] }),
  };
};

/** Seconds for `Retry-After`: 429 and 503 always have one, other answers none. */
export const retryAfterOf = ({ status, retryAfterSeconds }: ProblemError): number | undefined => {
  if (status !== 429 && status !== 503) return undefined;
  return Math.max(1, Math.ceil(retryAfterSeconds ?? DEFAULT_RETRY_SECONDS));
};

const MAX_PATH = 512;
const pathOf = (url: string): string => (url.split('?', 1)[0] ?? '').slice(0, MAX_PATH);

interface FastifyLikeError extends Error {
  readonly statusCode: number;
  readonly code?: string;
}

const isFastifyError = (error: unknown): error is FastifyLikeError =>
  error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number';

const details: Readonly<Record<string, string>> = {
  FST_ERR_BAD_URL: 'The path is not well-formed.',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'The body must be application/json.',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body is not as long as Content-Length says.',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not valid JSON.',
};

const UNSUPPORTED_MEDIA_TYPE = 415;

// For what the framework refuses before a handler runs. Its own messages may change and may repeat input, so they are not shown.
const frameworkProblem = (status: number, cause: unknown): ProblemError => {
  const code = codeOf(status);
  const known = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? details[cause.code] : undefined;
  return new ProblemError(code, known ?? problems[code].title, { cause, ...(status === UNSUPPORTED_MEDIA_TYPE ? { status } : {}) });
};

const codeOf = (status: number): ProblemCode => {
  if (status === 401) return 'unauthenticated';
  if (status === 403) return 'forbidden';
  if (status === 404 || status === 405) return 'not-found';
  if (status === 413) return 'payload-too-large';
  if (status === 503) return 'overloaded';
  return status >= 400 && status < 500 ? 'validation' : 'internal';
};
