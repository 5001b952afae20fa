/** Devices and conversations that are remembered, some 10 MB; of those beyond, the oldest are forgotten. */
const REMEMBERED = 50_000;

/** The last push to one device for one conversation: what it showed, and when (`performance.now()`). */
export interface LastPush {
  readonly seq: number;
  readonly at: number;
}

/**
 * What this process pushed lately, so that a device is not told the same twice, nor too often. Forgetting it costs a push that replaces itself on
 * the device: nothing depends on it.
 */
export class RecentlySent {
  private readonly last = new Map<string, LastPush>();

  of(key: string): LastPush | undefined {
    return this.last.get(key);
  }

  /** Remembers a push. @returns a function that takes it back when it was not sent. */
  note(key: string, seq: number): () => void {
    const before = this.last.get(key);
    const now = { seq, at: performance.now() };
    this.put(key, now);
    return () => {
      if (this.last.get(key) !== now) return;
      if (before === undefined) this.last.delete(key);
      else this.put(key, before);
    };
  }

  private put(key: string, push: LastPush): void {
    this.last.delete(key);
    this.last.set(key, push);
    const [oldest] = this.last.keys();
    if (oldest !== undefined && this.last.size > REMEMBERED) this.last.delete(oldest);
  }
}
