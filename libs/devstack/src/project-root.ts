import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The checkout's root: the folder above this file that holds package.json, whether this runs from source, from dist or in the image. */
export const projectRoot: string = findRoot(import.meta.dirname);

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error(`no package.json above ${import.meta.dirname}`);
  return findRoot(parent);
}
