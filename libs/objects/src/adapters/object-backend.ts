import type { ObjectAbout } from '../object-store.port.js';

/** Where bytes are, as CalledObjectStore reaches it: each call ends soon after its signal fires. Keys are checked. */
export interface ObjectBackend {
  put(key: string, bytes: Uint8Array, about: ObjectAbout, signal: AbortSignal): Promise<void>;
  /** @throws RangeError for an object longer than `maxBytes`. */
  get(key: string, maxBytes: number, signal: AbortSignal): Promise<Buffer | undefined>;
  remove(keys: readonly string[], signal: AbortSignal): Promise<number>;
  keys(prefix: string, limit: number, after: string | undefined, signal: AbortSignal): Promise<string[]>;
  close?(): void;
}
