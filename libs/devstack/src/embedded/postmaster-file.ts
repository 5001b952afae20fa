import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a running Postgres writes into its data folder, and leaves there when it is killed. */
export interface PostmasterFile {
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly port: number;
  /** `starting`, `ready`, `stopping` or `standby`; empty for a moment after the start. */
  readonly status: string;
}

/** Reads `postmaster.pid` of a data folder; undefined when it is not there or not yet whole: no Postgres runs, or it has just begun. */
export function readPostmasterFile(folder: string): PostmasterFile | undefined {
  try {
    return parsePostmasterFile(readFileSync(join(folder, 'postmaster.pid'), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Its lines: pid, data folder, start in seconds, port, socket folder, address, key of the shared memory, status. */
function parsePostmasterFile(text: string): PostmasterFile | undefined {
  const [pid, , startedAt, port, , , , status = ''] = text.split('\n').map((line) => line.trim());
  const file = { pid: Number(pid), startedAt: Number(startedAt) * 1_000, port: Number(port), status };
  return file.pid > 0 && file.startedAt > 0 && file.port > 0 ? file : undefined;
}
