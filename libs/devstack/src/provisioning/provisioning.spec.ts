import { describe, expect, it } from 'vitest';
import { dependencyNames } from './programs.js';
import { decideSources, refuseIfMissing, type Surroundings } from './provisioning.js';

const bare: Surroundings = {
  urlOf: () => undefined,
  dockerAnswers: async () => false,
  isInstalled: () => false,
  canInstallPackages: async () => false,
};

describe('the choice of a source for each server', () => {
  const everything: Surroundings = {
    urlOf: (name) => (name === 'postgres' ? 'postgres://somewhere' : undefined),
    dockerAnswers: async () => true,
    isInstalled: () => true,
    canInstallPackages: async () => true,
  };

  it('takes the server that the environment names before anything else, and only that one', async () => {
    expect(Object.fromEntries(await decideSources(dependencyNames, everything))).toEqual({
      postgres: 'env',
      rabbitmq: 'docker',
      redis: 'docker',
      chroma: 'docker',
    });
  });

  it('prefers an installed program to installing one, for each server by itself', async () => {
    const sources = await decideSources(dependencyNames, {
      ...bare,
      isInstalled: (name) => name === 'postgres' || name === 'chroma',
      canInstallPackages: async () => true,
    });
    expect(Object.fromEntries(sources)).toEqual({ postgres: 'local', rabbitmq: 'install', redis: 'install', chroma: 'local' });
  });

  it('never looks for a package of Chroma, which comes with npm', async () => {
    const sources = await decideSources(['chroma'], { ...bare, canInstallPackages: async () => true });
    expect(sources.get('chroma')).toBe('missing');
  });

  it('does not ask for Docker when the environment names everything', async () => {
    const asked: string[] = [];
    await decideSources(dependencyNames, { ...bare, urlOf: () => 'x://y', dockerAnswers: async () => asked.push('docker') > 0 });
    expect(asked).toEqual([]);
  });
});

describe('the message about missing servers', () => {
  it('names all of it and the three ways to provide it, in one message', async () => {
    const sources = await decideSources(dependencyNames, { ...bare, isInstalled: (name) => name === 'chroma' });
    expect(() => refuseIfMissing(sources)).toThrow(
      /needs postgres, rabbitmq, redis[\s\S]*DATABASE_URL, RABBITMQ_URL, REDIS_URL[\s\S]*docker info[\s\S]*postgresql, rabbitmq-server, redis-server/,
    );
  });

  it('is absent when nothing is missing', async () => {
    const sources = await decideSources(dependencyNames, { ...bare, isInstalled: () => true });
    expect(() => refuseIfMissing(sources)).not.toThrow();
  });
});
