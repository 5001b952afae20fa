import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The version of the nearest package above `folder`, `unknown` where there is none. */
const versionAbove = (folder: string): string => {
  const file = join(folder, 'package.json');
  if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }).version ?? 'unknown';
  return dirname(folder) === folder ? 'unknown' : versionAbove(dirname(folder));
};

/** The version of Parley that runs, as in its package.json: the sources and `dist` lie below the same one. */
export const parleyVersion = versionAbove(dirname(fileURLToPath(import.meta.url)));
