import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTool, type FoundTool } from '#lib/devstack/tools/find-tool';

/** Clocks of processes that can be moved while these run: libfaketime reads from a file by how much. Timers run as they do: only the date is another. */
export class MovedClocks {
  private constructor(
    private readonly folder: string,
    private readonly library: string,
  ) {}

  static async start(library: string): Promise<MovedClocks> {
    const clocks = new MovedClocks(await mkdtemp(join(tmpdir(), 'parley-clocks-')), library);
    await clocks.move(0);
    return clocks;
  }

  /** What a process whose clock can be moved is given. */
  get environment(): Record<string, string> {
    return { LD_PRELOAD: this.library, FAKETIME_TIMESTAMP_FILE: this.file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
  }

  /** Forwards or, below 0, back. @returns puts them right. */
  async move(seconds: number): Promise<() => Promise<void>> {
    await writeFile(this.file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    return async () => void (await this.move(0));
  }

  async stop(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  private get file(): string {
    return join(this.folder, 'faketime');
  }
}

/** libfaketime, or why this machine does not have it. */
export const findFaketime = async (): Promise<FoundTool> =>
  process.platform === 'linux' ? findTool('libfaketime') : { missing: 'libfaketime is looked for on Linux only' };
