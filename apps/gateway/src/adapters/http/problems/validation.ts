import { Body, Param, type PipeTransform, Query } from '@nestjs/common';
import type { z } from 'zod';
import { ProblemError } from '#lib/contracts/problems';
import { errorsOf, INVALID_FIELDS } from './validation-errors.js';

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
  throw new ProblemError('validation', INVALID_FIELDS, { errors: errorsOf(result.error.issues) });
};
