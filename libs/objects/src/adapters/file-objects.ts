import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ObjectAbout } from '../object-store.port.js';
import type { ObjectBackend } from './object-backend.js';

/** Begins the names of files that are being written; no key has such a part. */
const UNFINISHED = '.';
/** They are written here, all together: what a crash leaves behind is found without looking through every folder. */
const UNFINISHED_FOLDER = `${UNFINISHED}unfinished`;
/** A call ends after seconds: what is so old was left behind. It is looked for as often. */
const LEFT_BEHIND_MS = 600_000;

/**
 * Objects as files below a directory: for one machine, or a volume that all of its processes mount. A file is written, synced, and renamed: what
 * is under a key is whole, also after a power cut. What a crash leaves behind is never listed, and is removed: it may be of a user who is erased.
 */
export class FileObjects implements ObjectBackend {
  private lookedAt = 0;

  /** @param directory made when it is missing. */
  constructor(private readonly directory: string) {}

  async put(key: string, bytes: Uint8Array, _about: ObjectAbout, signal: AbortSignal): Promise<void> {
    const place = join(this.directory, key);
    const folder = dirname(place);
    await mkdir(folder, { recursive: true });
    await this.removeLeftBehind(signal);
    const unfinished = join(this.directory, UNFINISHED_FOLDER, randomUUID());
    try {
      await withFile(unfinished, 'wx', async (file) => {
        await file.writeFile(bytes, { signal });
        await file.sync();
      });
      await rename(unfinished, place);
      await withFile(folder, 'r', (handle) => handle.sync());
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }

  async get(key: string, maxBytes: number, signal: AbortSignal): Promise<Buffer | undefined> {
    return unlessMissing(undefined, () =>
      withFile(join(this.directory, key), 'r', async (file) => {
        const { size } = await file.stat();
        if (size > maxBytes) throw new RangeError(`the object has more than ${maxBytes} bytes`);
        return file.readFile({ signal });
      }),
    );
  }

  async remove(keys: readonly string[], signal: AbortSignal): Promise<number> {
    let count = 0;
    for (const key of keys) {
      signal.throwIfAborted();
      count += await unlessMissing(0, async () => {
        await rm(join(this.directory, key));
        return 1;
      });
    }
    return count;
  }

  async keys(prefix: string, limit: number, after: string | undefined, signal: AbortSignal): Promise<string[]> {
    await this.removeLeftBehind(signal);
    const found: string[] = [];
    for await (const key of this.below('', prefix, after ?? '', signal)) {
      if (found.length >= limit) break;
      found.push(key);
    }
    return found;
  }

  private async removeLeftBehind(signal: AbortSignal): Promise<void> {
    const folder = join(this.directory, UNFINISHED_FOLDER);
    await mkdir(folder, { recursive: true });
    if (Date.now() - this.lookedAt < LEFT_BEHIND_MS) return;
    for (const name of await readdir(folder)) {
      signal.throwIfAborted();
      const writtenAt = await unlessMissing(Date.now(), async () => (await stat(join(folder, name))).mtimeMs);
      if (Date.now() - writtenAt > LEFT_BEHIND_MS) await rm(join(folder, name), { force: true });
    }
    this.lookedAt = Date.now();
  }

  /** In the order of whole keys, folders that cannot hold any left out. */
  private async *below(folder: string, prefix: string, after: string, signal: AbortSignal): AsyncGenerator<string> {
    signal.throwIfAborted();
    const entries = await unlessMissing([], () => readdir(join(this.directory, folder), { withFileTypes: true }));
    const places = entries
      .filter(({ name }) => !name.startsWith(UNFINISHED))
      .map((entry) => ({ isFolder: entry.isDirectory(), key: `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}` }));
    for (const { isFolder, key } of places.sort((one, other) => (one.key < other.key ? -1 : 1))) {
      if (!isFolder) {
        if (key.startsWith(prefix) && key > after) yield key;
      } else if ((key.startsWith(prefix) || prefix.startsWith(key)) && (key > after || after.startsWith(key))) {
        yield* this.below(key, prefix, after, signal);
      }
    }
  }
}

const withFile = async <T>(path: string, flags: string, work: (file: FileHandle) => Promise<T>): Promise<T> => {
  const file = await open(path, flags, 0o640);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
};

const unlessMissing = async <T>(missing: T, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return missing;
    throw error;
  }
};
