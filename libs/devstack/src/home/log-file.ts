import { appendFileSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const LIMIT_BYTES = 20_000_000;
const KEPT_FILES = 3;

/** A log that sets itself aside when it gets long: `x.log`, then `x.log.1` and `x.log.2`, at most 60 MB together. */
export class LogFile {
  private size: number;
  private waiting: string[] = [];

  constructor(
    readonly path: string,
    private readonly limitBytes = LIMIT_BYTES,
  ) {
    mkdirSync(dirname(path), { recursive: true });
    this.size = existsSync(path) ? statSync(path).size : 0;
  }

  /** Appends whole lines; they reach the disk together at the end of this turn of the event loop. */
  write(text: string): void {
    if (this.waiting.length === 0) setImmediate(() => this.flush());
    this.waiting.push(text);
  }

  /** Puts everything that waits on disk now. Where that cannot be, it is lost: a full disk must not end the process that writes here. */
  flush(): void {
    const text = this.waiting.join('');
    this.waiting = [];
    if (text === '') return;
    try {
      if (this.size > this.limitBytes) this.setAside();
      appendFileSync(this.path, text, { mode: 0o640 });
      this.size += Buffer.byteLength(text);
    } catch {
      // The next lines are tried again.
    }
  }

  private setAside(): void {
    rmSync(`${this.path}.${KEPT_FILES - 1}`, { force: true });
    for (let age = KEPT_FILES - 2; age > 0; age--) {
      if (existsSync(`${this.path}.${age}`)) renameSync(`${this.path}.${age}`, `${this.path}.${age + 1}`);
    }
    if (existsSync(this.path)) renameSync(this.path, `${this.path}.1`);
    this.size = 0;
  }
}
