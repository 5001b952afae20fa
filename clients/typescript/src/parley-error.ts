import type { ErrorCode } from './frames.js';

/** Parley refused, or this client gave up. `timeout`: the outcome is not known. `closed`: `close()` was called. `unsupported`: the platform opens no such socket. */
export class ParleyError extends Error {
  override readonly name = 'ParleyError';

  constructor(
    readonly code: ErrorCode | 'closed' | 'unsupported',
    message: string,
  ) {
    super(message);
  }
}
