/** How bytes are described to those who look at them in the store. */
export interface ObjectAbout {
  readonly contentType: string;
  readonly contentEncoding?: string;
}

/**
 * Keeps bytes under keys of `[a-z0-9/._-]`, for what is too large and too cold for Postgres. Every call has a deadline and throws DependencyError
 * (`objectStore`) when the store cannot.
 */
export abstract class ObjectStorePort {
  /** False in a deployment without one: it holds nothing, and takes nothing. */
  abstract readonly isConfigured: boolean;
  /** Stores `bytes` whole or not at all; the same key again replaces them. @throws Error without a store, and for a key that is none. */
  abstract put(key: string, bytes: Uint8Array, about: ObjectAbout): Promise<void>;
  /** The bytes, or undefined when there are none. @param maxBytes an object that is longer is refused with a RangeError. */
  abstract get(key: string, maxBytes: number): Promise<Buffer | undefined>;
  /** Removes them, at most 1,000 at once; keys that are not there are fine. Returns how many were there, as far as the store tells. */
  abstract remove(keys: readonly string[]): Promise<number>;
  /** Keys that begin with `prefix`, at most `limit` (1,000), in order, after `after`. */
  abstract keys(prefix: string, limit: number, after?: string): Promise<string[]>;
  /** Closes its connections, if it has any. */
  close(): void {}
}

const KEY = /^[a-z0-9_-][a-z0-9._-]*(?:\/[a-z0-9_-][a-z0-9._-]*)*$/;
const MAX_KEY_LENGTH = 512;

/** `key`, when it is one: no part of it is empty or begins with a dot, so that none leaves a directory. @throws RangeError. */
export const objectKey = (key: string): string => {
  if (key.length > MAX_KEY_LENGTH || !KEY.test(key)) throw new RangeError('this is no key of an object');
  return key;
};

/** The most keys of one call, as S3 has it. */
export const MAX_KEYS = 1_000;
