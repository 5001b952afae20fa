import { watch } from 'node:fs';

/** An editor writes in several steps, a checkout many files. */
const QUIET_MS = 150;
const SOURCE = /(?<!\.(?:spec|int-spec|e2e-spec|contract))\.(?:ts|json|cjs)$/;

/** Changes of source files; tests are none, because no process loads them. */
export class SourceChanges {
  private readonly files = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private wake: (() => void) | undefined;
  private readonly closing = new AbortController();

  /** Watches these folders with all that is below them until `signal` fires. */
  constructor(folders: readonly string[], signal: AbortSignal) {
    signal.addEventListener('abort', () => this.close(), { once: true });
    for (const folder of folders) {
      watch(folder, { recursive: true, signal: this.closing.signal }, (_, file) => {
        if (file === null || !SOURCE.test(file)) return;
        this.files.add(file);
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.settle(), QUIET_MS);
      });
    }
    if (signal.aborted) this.close();
  }

  /** The files that changed since the last call, once no other follows for a moment; empty when the watching has ended. */
  async next(): Promise<string[]> {
    if (!this.closing.signal.aborted && (this.files.size === 0 || this.timer !== undefined)) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    const changed = [...this.files];
    this.files.clear();
    return this.closing.signal.aborted ? [] : changed;
  }

  private settle(): void {
    this.timer = undefined;
    this.wake?.();
  }

  private close(): void {
    this.closing.abort();
    clearTimeout(this.timer);
    this.wake?.();
  }
}
