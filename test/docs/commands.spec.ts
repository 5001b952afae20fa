import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectRoot } from '#lib/devstack/project-root';
import { processes } from '#lib/devstack/services';

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(projectRoot, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => join('docs', file)),
];
const read = (path: string) => readFileSync(join(projectRoot, path), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
const verbs = new Set([
  ...readdirSync(join(projectRoot, 'apps/cli/src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [...read(join('apps/cli/src', file)).matchAll(/\.command\(\s*'([a-z-]+)/g)].map(([, verb]) => verb)),
  'start',
  'stop',
  'status',
  'demo',
  'dev',
  'test',
  'bench',
  'chaos',
]);

/** Those of `npm start`, and the one that pods show their metrics on. */
const ports = new Set<number>([...processes.services.map(({ portOffset }) => 8_080 + portOffset), 9_090]);

it.each(documents)('%s asks for metrics where a service listens', (path) => {
  const asked = [...read(path).matchAll(/localhost:(\d+)\/metrics/g)].map(([, port]) => Number(port));
  expect(asked.filter((port) => !ports.has(port))).toEqual([]);
});

it.each(documents)('%s names only commands that there are', (path) => {
  const text = read(path);
  const used = [...text.matchAll(/(?:npm run (?:--silent )?parley -- |npx parley )([a-z][a-z-]*)/g)].map(([, verb]) => verb);
  expect(used.filter((verb) => !verbs.has(verb))).toEqual([]);
  const run = [...text.matchAll(/npm run (?:--silent |-s )?([a-z][a-z-]*)/g)].map(([, script]) => script ?? '');
  expect(run.filter((script) => scripts[script] === undefined)).toEqual([]);
});
