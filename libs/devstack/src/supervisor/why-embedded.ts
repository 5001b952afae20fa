import { findPostgresPackage } from '../embedded/postgres-programs.js';
import { packageInstaller } from '../provisioning/debian-packages.js';
import { dockerAnswers } from '../provisioning/docker-engine.js';
import { dependencyNames, findServer } from '../provisioning/programs.js';
import { decideSources, type Surroundings, urlVariables } from '../provisioning/provisioning.js';
import { valueOf } from './dependencies.js';

/**
 * Why `npm start` runs the embedded mode although it was not asked to; undefined: the servers can be had, or the caller has named some of them and
 * means those, or there is no embedded Postgres either.
 */
export async function whyEmbedded(env: NodeJS.ProcessEnv, around: Partial<Surroundings> = {}): Promise<string | undefined> {
  const urlOf: Surroundings['urlOf'] = (name) => valueOf(env, urlVariables[name]);
  const isInstalled = around.isInstalled ?? ((name) => findServer(name) !== undefined);
  if (dependencyNames.some(urlOf) || dependencyNames.every(isInstalled)) return undefined;
  const sources = await decideSources(dependencyNames, {
    urlOf,
    isInstalled,
    dockerAnswers: around.dockerAnswers ?? dockerAnswers,
    canInstallPackages: around.canInstallPackages ?? (async () => (await packageInstaller()) !== undefined),
  });
  const missing = dependencyNames.filter((name) => sources.get(name) === 'missing');
  if (missing.length === 0 || findPostgresPackage() === undefined) return undefined;
  return `${missing.join(', ')}: not installed, no Docker engine answers, and Debian packages cannot be installed here. So this is the embedded mode, which needs none of them.`;
}
