import { existsSync, readFileSync } from 'node:fs';
import fastify from 'fastify';
import { expect, it } from 'vitest';
import { giveEveryRouteItsBodyLimit } from '../../apps/gateway/src/adapters/http/edge/body-limits.js';
import { giveEveryRouteItsDeadline } from '../../apps/gateway/src/adapters/http/edge/deadlines.js';

const page = readFileSync('docs/develop/add-an-endpoint.md', 'utf8');
const ROUTE = '/v1/conversations/:conversationId/pins';

it('the page on adding an endpoint names only files that exist', () => {
  const paths = [...page.matchAll(/`((?:apps|libs|docs|scripts|docker|test)\/[\w./-]+)`/g)].map(([, path = '']) => path);
  expect(paths.length).toBeGreaterThan(10);
  expect(paths.filter((path) => !existsSync(path))).toEqual([]);
});

it.each([
  ['a deadline', giveEveryRouteItsDeadline],
  ['a body limit', (instance: ReturnType<typeof fastify>) => giveEveryRouteItsBodyLimit(instance, 1_000)],
])('the page quotes what the gateway says of a route without %s', async (_, limit) => {
  const instance = fastify();
  limit(instance);
  let refusal = '';
  try {
    instance.put(ROUTE, async () => undefined);
  } catch (error) {
    refusal = (error as Error).message;
  }
  await instance.close();
  expect(refusal).toContain(ROUTE);
  expect(page).toContain(`\`${refusal}\``);
});
