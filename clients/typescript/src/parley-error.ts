import type { ErrorCode } from './frames.js';
import type { Problem } from './rest-types.js';

/**
 * Parley refused, or this client gave up. `timeout`: the outcome is not known. `closed`: `close()` was called. `unsupported`: the platform opens
 * no such socket. `unreachable`: no answer of Parley came.
 */
export class ParleyError extends Error {
  override readonly name = 'ParleyError';
  /** When the same may be accepted, in milliseconds after it was refused; undefined: Parley did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly code: ErrorCode | 'closed' | 'unsupported' | 'unreachable',
    message: string,
    /** What a REST call was answered with: status, request id, and which fields are wrong. */
    readonly problem?: Problem | undefined,
    { cause, retryAfterMs }: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.retryAfterMs = retryAfterMs;
  }
}
