import type { z } from 'zod';

/** One kind of large body: what it must be, and what is made of it in the thread that reads it. A kind is a file, and a line in body-kinds.ts. */
export interface BodyKind<Schema extends z.ZodType, Made extends object> {
  /** Its route: method and path as Nest knows them. */
  readonly route: `${'POST' | 'PUT'} /${string}`;
  /** Strict objects only: a key that they do not name is refused, `__proto__` too. Every list and string has a maximum. */
  readonly schema: Schema;
  /** JSON values that it may have, keys not counted; more are refused before they are parsed. */
  readonly maxValues: number;
  /** Pure and synchronous. What it makes is moved to the event loop's thread: plain values, dates, and bytes at the top level. */
  readonly make: (body: z.infer<Schema>) => Made;
}

export const bodyKind = <Schema extends z.ZodType, Made extends object>(kind: BodyKind<Schema, Made>): BodyKind<Schema, Made> => kind;
