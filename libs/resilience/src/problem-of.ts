import { ProblemError } from '#lib/contracts/problems';
import { DeadlineExceeded, DependencyError } from './call/errors.js';
import { SemaphoreFull } from './limit/semaphore.js';

/** When to try again where the error has no time of its own. */
const DEFAULT_RETRY_SECONDS = 1;

/** What a caller is told of a dependency, a deadline or a limit that stood in the way; undefined for any other error. It carries no message of a driver. */
export const problemOf = (error: unknown): ProblemError | undefined => {
  if (error instanceof ProblemError) return error;
  if (error instanceof DependencyError) return dependencyProblem(error);
  if (error instanceof DeadlineExceeded) {
    return new ProblemError('timeout', 'It took too long. What it was to change may have happened: send it again with the same key.', {
      cause: error,
      retryAfterSeconds: DEFAULT_RETRY_SECONDS,
    });
  }
  if (error instanceof SemaphoreFull) {
    return new ProblemError('overloaded', 'Too many requests are waiting.', { cause: error, retryAfterSeconds: DEFAULT_RETRY_SECONDS });
  }
  return undefined;
};

const dependencyProblem = (error: DependencyError): ProblemError => {
  const options = { cause: error, retryAfterSeconds: error.retryAfterMs / 1_000 };
  switch (error.kind) {
    case 'timeout':
      return new ProblemError(
        'timeout',
        'A part of the system did not answer in time. The outcome is unknown: send it again with the same key.',
        options,
      );
    case 'overloaded':
      return new ProblemError('overloaded', 'A part of the system has as much to do as it can take.', options);
    case 'unavailable':
    case 'open':
      return new ProblemError('dependency-unavailable', 'A part of the system is unavailable.', options);
    default:
      return error.kind satisfies never;
  }
};
