import type { ProblemCode } from '#lib/contracts/problems';

/** What the API refuses with, and what happens on the way to it: `network` (no answer), `deadline` (none in time), `malformed` (not one of Parley's). */
export type FailureCode = ProblemCode | 'network' | 'deadline' | 'malformed';

/** A request that failed. The words for it: problem-text.ts. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly code: FailureCode,
    message: string,
    readonly more: {
      readonly status?: number;
      readonly requestId?: string;
      readonly retryAfterMs?: number;
      readonly errors?: readonly { readonly pointer: string; readonly message: string }[];
    } = {},
  ) {
    super(message);
  }
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Gives the request up: what the page no longer wants to know. */
  readonly signal?: AbortSignal;
  /** Time for the whole answer; default 15,000 ms, longer than the deadline of most routes. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 15_000;

/** Calls the API of the gateway that served the page, with one user's token. */
export class Api {
  constructor(
    private readonly token: string,
    /** The server does not take the token any more. */
    private readonly onRefused: () => void,
  ) {}

  /**
   * The body of an answer; undefined for one without. @throws ApiError; DOMException `AbortError` when `signal` gave it up.
   */
  async ask<Answer>(path: string, call: Call = {}): Promise<Answer> {
    const response = await this.open(path, call);
    const text = await response.text().catch((error: unknown) => Promise.reject(failureOf(error, call.signal)));
    if (text === '') return undefined as Answer;
    try {
      return JSON.parse(text) as Answer;
    } catch {
      throw new ApiError('malformed', `${path} answered with something that is not JSON`, { status: response.status });
    }
  }

  /** The answer as it begins, its body unread: for streams. `timeoutMs` 0: no deadline. @throws as `ask` does. */
  async open(path: string, { method = 'GET', body, headers = {}, signal, timeoutMs = TIMEOUT_MS }: Call = {}): Promise<Response> {
    const signals = [...(signal ? [signal] : []), ...(timeoutMs > 0 ? [AbortSignal.timeout(timeoutMs)] : [])];
    const response = await fetch(path, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any(signals),
      cache: 'no-store',
    }).catch((error: unknown) => Promise.reject(failureOf(error, signal)));
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem.code === 'unauthenticated') this.onRefused();
    throw problem;
  }
}

/** Whether the page itself gave the request up: nothing to show. */
export const isAborted = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

const passing: ReadonlySet<FailureCode> = new Set([
  'network',
  'deadline',
  'malformed',
  'rate-limited',
  'overloaded',
  'dependency-unavailable',
  'timeout',
  'internal',
]);

/** Whether the same request may succeed after a while, without a change of it. */
export const isPassing = (error: unknown): boolean => error instanceof ApiError && passing.has(error.code);

function failureOf(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return new DOMException('given up', 'AbortError');
  if (error instanceof DOMException && error.name === 'TimeoutError') return new ApiError('deadline', 'no answer in time');
  return new ApiError('network', error instanceof Error ? error.message : String(error));
}

interface Problem {
  readonly code?: ProblemCode;
  readonly detail?: string;
  readonly title?: string;
  readonly requestId?: string;
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[];
}

async function problemOf(response: Response): Promise<ApiError> {
  const { status } = response;
  const problem = (await response.json().catch(() => ({}))) as Problem;
  if (problem.code === undefined) return new ApiError('malformed', `HTTP ${status} without a problem`, { status });
  const retryAfter = Number(response.headers.get('retry-after'));
  return new ApiError(problem.code, problem.detail ?? problem.title ?? problem.code, {
    status,
    ...(problem.requestId === undefined ? {} : { requestId: problem.requestId }),
    ...(problem.errors === undefined ? {} : { errors: problem.errors }),
    ...(retryAfter > 0 ? { retryAfterMs: retryAfter * 1_000 } : {}),
  });
}
