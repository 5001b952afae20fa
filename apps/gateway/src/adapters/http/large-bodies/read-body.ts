import { isUtf8 } from 'node:buffer';
import { errorsOf, INVALID_FIELDS } from '../problems/validation-errors.js';
import { isOfModestShape } from '../edge/json-shape.js';
import type { z } from 'zod';
import type { BodyKind } from './body-kind.js';
import { type BodyKindName, bodyKinds, type MadeOf } from './body-kinds.js';

/** Why a body is refused: the parts of a problem `validation`, which can travel between threads. */
export interface Refusal {
  readonly detail: string;
  readonly errors?: readonly { pointer: string; message: string }[];
}

/** What came of reading a body. */
export type BodyRead<Name extends BodyKindName> =
  | { readonly made: MadeOf<Name>; readonly refusal?: undefined }
  | { readonly made?: undefined; readonly refusal: Refusal };

type AnyKind = BodyKind<z.ZodType<object>, object>;

const refused = (detail: string): { refusal: Refusal } => ({ refusal: { detail } });

/** Reads a body in the calling thread: as json-body.ts and validation.ts read a small one, then what its kind makes of it. */
export const readBody = <Name extends BodyKindName>(name: Name, bytes: Uint8Array): BodyRead<Name> => {
  // What `make` takes is what `schema` gives: the compiler knows it of each kind, but not of one of several.
  const { schema, maxValues, make } = bodyKinds[name] as AnyKind;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isUtf8(text)) return refused('The body is not UTF-8.');
  if (!isOfModestShape(text, maxValues)) return refused('The body is nested too deeply or has too many values.');
  const value = parse(text);
  if (value === undefined) return refused('The body is not valid JSON.');
  const result = schema.safeParse(value.json);
  if (!result.success) return { refusal: { detail: INVALID_FIELDS, errors: errorsOf(result.error.issues) } };
  return { made: make(result.data) as MadeOf<Name> };
};

const parse = (text: Buffer): { readonly json: unknown } | undefined => {
  try {
    return { json: JSON.parse(text.toString()) as unknown };
  } catch {
    return undefined;
  }
};
