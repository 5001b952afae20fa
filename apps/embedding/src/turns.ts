/** A lock per key: runs work that shares a key one after the other, in the order of the calls; other work runs at once. */
export class Turns {
  private readonly lastOf = new Map<string, Promise<void>>();

  /** Runs `work` when every earlier call for one of `keys` has settled. Cannot deadlock: all keys are taken in one step. */
  async take<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const { promise: mine, resolve: done } = Promise.withResolvers<void>();
    const earlier = new Set(keys.map((key) => this.lastOf.get(key)).filter((turn) => turn !== undefined));
    for (const key of keys) this.lastOf.set(key, mine);
    try {
      await Promise.all(earlier);
      return await work();
    } finally {
      for (const key of keys) if (this.lastOf.get(key) === mine) this.lastOf.delete(key);
      done();
    }
  }
}
