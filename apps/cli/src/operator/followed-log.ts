import { open, stat } from 'node:fs/promises';

/** The lines that come to a log file, which may be set aside for a new one of the same name at any time. */
export class FollowedLog {
  /** The line that is not written to its end yet. */
  private rest = '';

  private constructor(
    private readonly path: string,
    private end: number,
  ) {}

  /** From the end that the file has now; one that is not there may come. */
  static async at(path: string): Promise<FollowedLog> {
    return new FollowedLog(path, (await stat(path).catch(() => undefined))?.size ?? 0);
  }

  /** The whole lines that were written since the last call. */
  async newLines(): Promise<string[]> {
    const file = await open(this.path).catch(() => undefined);
    try {
      const size = (await file?.stat())?.size ?? 0;
      // One that has become shorter is a new one.
      if (size < this.end) [this.end, this.rest] = [0, ''];
      if (file === undefined || size === this.end) return [];
      const range = { start: this.end, end: size - 1, encoding: 'utf8' as const, autoClose: false };
      this.end = size;
      for await (const chunk of file.createReadStream(range)) this.rest += String(chunk);
    } finally {
      await file?.close();
    }
    const lines = this.rest.split('\n');
    this.rest = lines.pop() ?? '';
    return lines.filter((line) => line !== '');
  }
}
