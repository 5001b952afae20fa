import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The checkout's root: the folder above this file that holds package-lock.json, whether this runs from source or from dist. */
export const projectRoot: string = findRoot(import.meta.dirname);

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package-lock.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error(`no package-lock.json above ${import.meta.dirname}`);
  return findRoot(parent);
}
