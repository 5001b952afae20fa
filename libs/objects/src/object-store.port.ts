/**
 * Keeps bytes under keys of `[a-z0-9/._-]`, for what is too large and too cold for Postgres. Every call has a deadline and throws DependencyError
 * (`objectStore`) when the store cannot.
 */
export abstract class ObjectStorePort {
  /** Stores `bytes` whole or not at all; the same key again replaces them. */
  abstract put(key: string, bytes: Uint8Array, about: { contentType: string; contentEncoding?: string }): Promise<void>;
  /** The bytes, or undefined when there are none. @param maxBytes an object that is longer is refused with a RangeError. */
  abstract get(key: string, maxBytes: number): Promise<Buffer | undefined>;
  /** Removes them; keys that are not there are fine. Returns how many were there, as far as the store tells. */
  abstract remove(keys: readonly string[]): Promise<number>;
  /** Keys that begin with `prefix`, at most `limit`, in order, after `after`. */
  abstract keys(prefix: string, limit: number, after?: string): Promise<string[]>;
  /** Closes its connections, if it has any. */
  close(): void {}
}
