import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectRoot } from '#lib/devstack/project-root';

// Family S21: what an installation brings along.

interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
}
const read = (name: string) => JSON.parse(readFileSync(join(projectRoot, name), 'utf8')) as Record<string, unknown>;
const packages = Object.entries(read('package-lock.json')['packages'] as Record<string, Entry>).filter(([path]) => path !== '');

it('package-lock.json fixes every package by a hash', () => {
  expect(packages.filter(([, { integrity, link }]) => integrity === undefined && link !== true).map(([path]) => path)).toEqual([]);
});

it('package-lock.json takes packages from the registry that the machine is set up for, and names none', () => {
  expect(packages.filter(([, { resolved }]) => resolved !== undefined && !resolved.startsWith('file:')).map(([path]) => path)).toEqual([]);
});

it('npm runs no script of a package but those that are allowed by name', () => {
  const allowed = read('package.json')['allowScripts'] as Record<string, boolean>;
  const withScripts = packages
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  expect(withScripts.filter((name) => !(name in allowed))).toEqual([]);
});

it('package.json names an exact version of everything that runs in production', () => {
  const dependencies = Object.entries(read('package.json')['dependencies'] as Record<string, string>);
  expect(dependencies.filter(([, version]) => !/^\d+\.\d+\.\d+/.test(version))).toEqual([]);
});
