import { Body, Param, type PipeTransform, Query } from '@nestjs/common';
import type { z } from 'zod';
import { ProblemError } from '#lib/contracts/problems';
import { sentenceOf } from '#lib/contracts/validation-messages';

/** A request can be wrong in a million places; the answer lists the first few. */
const MAX_ERRORS = 20;
const MAX_MESSAGE = 300;

/** The body of a request, parsed with `schema`. */
export const FromBody = (schema: z.ZodType): ParameterDecorator => Body({ schema, pipes: [parsedWith(schema)] });

/** The query of a request, parsed with `schema`. */
export const FromQuery = (schema: z.ZodType): ParameterDecorator => Query({ schema, pipes: [parsedWith(schema)] });

/** The parameters in the path of a request, parsed with `schema`. */
export const FromPath = (schema: z.ZodType): ParameterDecorator => Param({ schema, pipes: [parsedWith(schema)] });

// A pipe per parameter: with a global pipe Nest awaits parameters that have nothing to parse, too. @throws ProblemError `validation`.
const parsedWith = (schema: z.ZodType): PipeTransform => ({ transform: (value: unknown): unknown => parsed(schema, value) });

/** `value` as `schema` understands it. @throws ProblemError `validation` that names the first fields that it refuses. */
export const parsed = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> => {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ProblemError('validation', 'Some fields are not valid.', { errors: errorsOf(result.error.issues) });
};

const errorsOf = (issues: readonly z.core.$ZodIssue[]) =>
  issues
    .slice(0, MAX_ERRORS)
    .flatMap((issue) => placesOf(issue).map((path) => ({ pointer: pointerOf(path), message: sentenceOf(issue).slice(0, MAX_MESSAGE) })))
    .slice(0, MAX_ERRORS);

/** Points at an unknown field itself, not at the object around it. */
const placesOf = (issue: z.core.$ZodIssue): (readonly PropertyKey[])[] =>
  issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];

// RFC 6901 into the body; for query and path parameters the name with a slash before it.
const pointerOf = (path: readonly PropertyKey[]): string =>
  path
    .map((key) => `/${String(key).slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
    .slice(0, MAX_MESSAGE);
