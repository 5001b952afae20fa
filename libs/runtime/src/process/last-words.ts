import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/config.js';

/** What a process and the one that is started in its place have in common. */
type Place = Pick<Config, 'PORT' | 'DATABASE_URL'> & { readonly service: string };

/**
 * A file in which a process that ends by an uncaught error writes down when. What it counted ends with it, so the process that is started in its
 * place shows that time, and an alert can be made of it. In a container the folder must outlive a restart: an `emptyDir` or a volume, no tmpfs.
 */
export class LastWords {
  private readonly file: string;

  /** @param folder only tests give another one. */
  constructor({ service, PORT, DATABASE_URL }: Place, folder = tmpdir()) {
    // Two Parleys of one machine have other databases; and without the password of this one, no user of the machine knows the name.
    const place = createHash('sha256')
      .update(JSON.stringify([service, PORT, DATABASE_URL]))
      .digest('hex')
      .slice(0, 24);
    this.file = join(folder, `parley-last-words-${place}`);
  }

  /** In milliseconds since 1970; undefined when no process at this place has ended so, or what is there cannot be read. */
  read(): number | undefined {
    try {
      const at = Number(readFileSync(this.file, 'utf8'));
      return Number.isSafeInteger(at) && at > 0 ? at : undefined;
    } catch {
      return undefined;
    }
  }

  /** At once, because the process ends after it. Never throws: without these words the log still has the error. */
  write(at: number): void {
    // A name that no process before had: in a container all have the same number, and one that was killed here has left its file.
    const own = `${this.file}.${randomUUID()}`;
    try {
      // Several workers may end at the same time; a reader finds the words of one of them, and whole.
      writeFileSync(own, String(at), { mode: 0o600, flag: 'wx' });
      renameSync(own, this.file);
    } catch {
      // A folder that cannot be written, or a disk that is full.
    }
  }
}
