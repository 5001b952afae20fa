import { packageInstaller, type Progress } from './debian-packages.js';
import { dependencyNames, findServer, serverPackages, type DependencyName } from './programs.js';

/** Where a dependency comes from. `install`: its Debian package first, then as `local`. */
export type Source = 'env' | 'docker' | 'local' | 'install' | 'missing';

/** What the decision rests on; the questions that cost time are only asked when their turn comes. */
export interface Surroundings {
  /** The value of the dependency's `*_URL`. */
  readonly urlOf: (name: DependencyName) => string | undefined;
  readonly dockerAnswers: () => Promise<boolean>;
  readonly isInstalled: (name: DependencyName) => boolean;
  readonly canInstallPackages: () => Promise<boolean>;
}

/** The variable that points Parley to a dependency that already runs. */
export const urlVariables: Readonly<Record<DependencyName, string>> = {
  postgres: 'DATABASE_URL',
  rabbitmq: 'RABBITMQ_URL',
  redis: 'REDIS_URL',
  chroma: 'CHROMA_URL',
};

/**
 * Decides for each dependency, in this order: its URL is set; a Docker engine answers; its program is installed; its package can be
 * installed; otherwise it is missing.
 */
export async function decideSources(wanted: readonly DependencyName[], around: Surroundings): Promise<Map<DependencyName, Source>> {
  const decided = new Map<DependencyName, Source>();
  for (const name of wanted) {
    if (around.urlOf(name)) decided.set(name, 'env');
    else if (await around.dockerAnswers()) decided.set(name, 'docker');
    else if (around.isInstalled(name)) decided.set(name, 'local');
    else if (name !== 'chroma' && (await around.canInstallPackages())) decided.set(name, 'install');
    else decided.set(name, 'missing');
  }
  return decided;
}

/** @throws one message that names everything missing and the three ways to provide it. */
export function refuseIfMissing(sources: ReadonlyMap<DependencyName, Source>): void {
  const missing = dependencyNames.filter((name) => sources.get(name) === 'missing');
  if (missing.length === 0) return;
  const packages = missing.flatMap((name) => (name === 'chroma' ? [] : [serverPackages[name].name]));
  throw new Error(
    [
      `Parley needs ${missing.join(', ')}, and there is no way to start ${missing.length === 1 ? 'it' : 'them'} here. Three ways out:`,
      `  1. use ones that run somewhere: set ${missing.map((name) => urlVariables[name]).join(', ')}`,
      '  2. start Docker, so that `docker info` answers; Parley then runs them in containers',
      packages.length > 0
        ? `  3. install the programs: ${packages.join(', ')} (apt-get as root or with sudo; brew install postgresql rabbitmq redis on a Mac)`
        : '  3. run npm install again without --omit=optional: the Chroma server is an optional package for this platform',
    ].join('\n'),
  );
}

/** Installs what was decided to be installed. Only the programs: nothing is started. @throws when that fails. */
export async function installServers(sources: ReadonlyMap<DependencyName, Source>, progress: Progress): Promise<void> {
  const packages = [...sources].flatMap(([name, source]) => (source === 'install' && name !== 'chroma' ? [serverPackages[name]] : []));
  if (packages.length === 0) return;
  const installer = await packageInstaller();
  if (installer === undefined) throw new Error('packages could be installed a moment ago and now cannot: has sudo expired?');
  await installer.install(packages, progress);
}

/** The program of a server that must be here by now. @throws when it is not. */
export function serverProgram(name: DependencyName): string {
  const found = findServer(name);
  if (found === undefined) throw new Error(`${name} is installed but its program was not found in the usual places or on the PATH`);
  return found;
}
