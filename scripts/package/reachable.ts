import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { projectRoot } from '#lib/devstack/project-root';

/** What built code can load. */
export interface Reachable {
  /** Built files, from the root of the project. */
  readonly files: readonly string[];
  /** Npm packages, without `node:`. */
  readonly packages: readonly string[];
}

const STATIC = /^(?:import|export)\s[^;']*?from\s*'([^'\s]+)'|^import\s*'([^'\s]+)'/gm;
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g;
/** A thread, by its file. */
const THREAD = /new URL\('([^']+\.js)',\s*import\.meta\.url\)/g;

/** Follows the imports of built files. @param lazily also those that run only when their line is reached, and threads. */
export function reachableFrom(entries: readonly string[], { lazily }: { readonly lazily: boolean }): Reachable {
  const files = new Set<string>();
  const packages = new Set<string>();
  const waiting = [...entries];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const name of importsOf(readFileSync(join(projectRoot, file), 'utf8'), lazily)) {
      const next = fileOf(name, file);
      if (next !== undefined) waiting.push(next);
      else if (!name.startsWith('node:')) packages.add(name.split('/', name.startsWith('@') ? 2 : 1).join('/'));
    }
  }
  return { files: [...files].sort(), packages: [...packages].sort() };
}

function importsOf(text: string, lazily: boolean): string[] {
  const found = lazily ? [STATIC, DYNAMIC, THREAD] : [STATIC];
  return found.flatMap((pattern) => [...text.matchAll(pattern)].map(([, from, alone]) => from ?? alone ?? ''));
}

/** The built file of a specifier; undefined for a package. @throws when a file of ours is not there. */
function fileOf(name: string, importer: string): string | undefined {
  const [, lib, path] = /^#lib\/([^/]+)\/(.+)$/.exec(name) ?? [];
  const isOurs = name.startsWith('.') || lib !== undefined || name.startsWith('#client/');
  if (!isOurs) return undefined;
  const file = name.startsWith('.')
    ? join(dirname(importer), name)
    : lib === undefined
      ? join('dist', 'clients', 'typescript', 'src', `${name.slice('#client/'.length)}.js`)
      : join('dist', 'libs', lib, 'src', `${path}.js`);
  if (!existsSync(join(projectRoot, file))) throw new Error(`${importer} imports ${name}, and ${relative(projectRoot, file)} is not there`);
  return file;
}
