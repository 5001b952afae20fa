import type { z } from 'zod';
import { sentenceOf } from '#lib/contracts/validation-messages';

/** A request can be wrong in a million places; the answer lists the first few. */
const MAX_ERRORS = 20;
const MAX_MESSAGE = 300;

/** What is said of a request of which a schema refuses fields. */
export const INVALID_FIELDS = 'Some fields are not valid.';

/** The first fields that a schema refuses, and why. */
export const errorsOf = (issues: readonly z.core.$ZodIssue[]): { pointer: string; message: string }[] =>
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
