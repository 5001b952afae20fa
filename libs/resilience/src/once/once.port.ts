/** Lets one of several processes do something that all of them find out. */
export abstract class OncePort {
  /**
   * Whether the caller is the first with this key within `ttlMs`, of all processes that share the store. Never rejects: without the store each
   * process decides by itself, so that it is done as often as there are processes, and never not at all.
   */
  abstract take(key: string, ttlMs: number): Promise<boolean>;
}
