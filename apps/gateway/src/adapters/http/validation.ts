import { StandardSchemaValidationPipe } from '@nestjs/common';
import { ProblemError } from '#lib/contracts/problems';

type Issues = Parameters<NonNullable<NonNullable<ConstructorParameters<typeof StandardSchemaValidationPipe>[0]>['exceptionFactory']>>[0];
type Issue = Issues[number];

/** A request can be wrong in a million places; its sender is told the first few. */
const MAX_ERRORS = 20;
const MAX_MESSAGE = 300;

/**
 * Parses bodies, queries and path parameters with the schema that stands at the parameter (Nest's Standard Schema pipe).
 * A test sees to it that no parameter is without one: the pipe lets those through unread.
 */
export const validationPipe = (): StandardSchemaValidationPipe =>
  new StandardSchemaValidationPipe({
    exceptionFactory: (issues) => new ProblemError('validation', 'Some fields are not valid.', { errors: errorsOf(issues) }),
  });

const errorsOf = (issues: Issues) =>
  issues.slice(0, MAX_ERRORS).map((issue) => ({ pointer: pointerOf(issue), message: issue.message.slice(0, MAX_MESSAGE) }));

// RFC 6901 into the body; for query and path parameters the name with a slash before it.
const pointerOf = ({ path }: Issue): string =>
  (path ?? [])
    .map((segment) => String(typeof segment === 'object' ? segment.key : segment))
    .map((key) => `/${key.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
    .slice(0, MAX_MESSAGE);
