import type { ErrorCode } from './frames.js';
import type { Problem } from './rest-types.js';

/**
 * Parley refused, or this client gave up. `timeout`: the outcome is not known. `closed`: `close()` was called. `unsupported`: the platform opens
 * no such socket. `unreachable`: no answer of Parley came.
 */
export class ParleyError extends Error {
  override readonly name = 'ParleyError';

  constructor(
    readonly code: ErrorCode | 'closed' | 'unsupported' | 'unreachable',
    message: string,
    /** What a REST call was answered with: status, request id, and which fields are wrong. */
    readonly problem?: Problem | undefined,
  ) {
    super(message);
  }
}
