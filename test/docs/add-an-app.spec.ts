import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const page = readFileSync('docs/develop/add-an-app.md', 'utf8');
const [, tables = ''] = page.split('## 2. Where its name stands');
const places = [...tables.matchAll(/^\| `([\w./-]+)` \|/gm)].map(([, path = '']) => path);
/** The apps that are services: neither the command line, nor the console, which runs in browsers, nor all services in one process. */
const services = readdirSync('apps').filter((name) => !['cli', 'console', 'standalone'].includes(name));

it('the page on adding an app names only files that exist, but for those of the new app', () => {
  const paths = [...page.matchAll(/`((?:apps|libs|docs|scripts|docker|test)\/[\w./-]+)`/g)].map(([, path = '']) => path);
  expect(paths.length).toBeGreaterThan(10);
  expect(paths.filter((path) => !path.startsWith('apps/audit/') && !existsSync(path))).toEqual([]);
});

it.each(services)('each place of the page names the app %s', (app) => {
  expect(places.length).toBeGreaterThan(4);
  const silent = places.filter((path) => !new RegExp(`\\b${app}\\b`).test(readFileSync(path, 'utf8')));
  expect(silent).toEqual([]);
});

it.each(services)('the app %s has the files that the page asks for', (app) => {
  expect(
    [`apps/${app}/src/main.ts`, `apps/${app}/src/${app}.module.ts`, `apps/${app}/src/${app}.module.spec.ts`].filter(
      (path) => !existsSync(path),
    ),
  ).toEqual([]);
});
