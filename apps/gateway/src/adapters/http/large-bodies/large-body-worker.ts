import { move, transferableSymbol, valueSymbol } from 'piscina';
import type { BodyKindName } from './body-kinds.js';
import { readBody } from './read-body.js';

/** A body as it is handed to a thread. */
export interface BodyJob {
  readonly kind: BodyKindName;
  readonly bytes: Uint8Array;
}

/** Bytes of this length are alone in their memory, which can then be moved; shorter ones share it, and are copied. */
const ALONE = 65_536;

/** Entry of a thread of LargeBodies: one body at a time. Everything that it imports must be loadable without a build (thread-entry.ts). */
export default ({ kind, bytes }: BodyJob): unknown => {
  const read = readBody(kind, bytes);
  const own = Object.values(read.made ?? {}).filter((part): part is Uint8Array => part instanceof Uint8Array && part.byteLength > ALONE);
  if (own.length === 0) return read;
  return move({ [transferableSymbol]: own.map(({ buffer }) => buffer as ArrayBuffer), [valueSymbol]: read });
};
