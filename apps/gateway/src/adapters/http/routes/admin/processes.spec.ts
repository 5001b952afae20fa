import { hostname } from 'node:os';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { shareBreakers } from '#lib/resilience/call/share-breakers';
import { createLogger } from '#lib/runtime/log/logger';
import { processReport } from '#lib/runtime/work/process-report';
import { answerSiblings } from '#lib/runtime/workers/sibling-workers';
import { mintToken } from '#lib/devstack/mint-token';
import { bootGateway, closeGateways, SECRET } from '../../../../memory-gateway.contract.js';

let gateway: NestFastifyApplication;
beforeEach(async () => {
  gateway = await bootGateway();
  answerSiblings('report', () => processReport(100, 0)); // as runProcess does
});
afterEach(closeGateways);

const get = async (url: string, scopes: readonly ('admin' | 'service')[] = ['admin']) => {
  const token = await mintToken(SECRET, { user: 'olga', scopes });
  return gateway
    .getHttpAdapter()
    .getInstance()
    .inject({ url, headers: { authorization: `Bearer ${token}`, 'x-request-id': 'r-admin' } });
};

/** Unit tests share a process: work that other tests left hanging is in hand too. */
const inHand = async () => {
  const { items, lockWaits } = (await get('/v1/admin/in-flight')).json<{
    items: { pid: number; work: { items: { id: string }[] } }[];
    lockWaits: [];
  }>();
  return { items, lockWaits, work: items.flatMap(({ work }) => work.items).filter(({ id }) => id === 'r-admin') };
};

it('the in-flight report shows each request in hand, the one that asks included', async () => {
  const { items, lockWaits, work } = await inHand();

  expect(items).toMatchObject([{ app: 'gateway', host: hostname(), pid: process.pid, silent: false }]);
  expect(work).toMatchObject([{ kind: 'request', what: 'GET /v1/admin/in-flight', phase: 'handling', deadlineMs: 6_000 }]);
  expect(lockWaits).toEqual([]);
});

it('the in-flight report leaves out a request that is answered', async () => {
  await get('/v1/conversations');

  expect((await inHand()).work).toHaveLength(1);
});

it('the list of breakers shows each of them with its process', async () => {
  const breakers = shareBreakers(createBreakers(), createLogger('gateway', 'silent'));
  const call = new DependencyCall({ dependency: 'chroma', operation: 'query', timeoutMs: 1_000 }, breakers);
  for (let times = 0; times < 5; times += 1) await call.run(() => Promise.reject(new Error('refused'))).catch(() => undefined);

  expect((await get('/v1/admin/breakers')).json()).toEqual({
    items: [
      {
        app: 'gateway',
        host: hostname(),
        pid: process.pid,
        dependency: 'chroma',
        operation: 'query',
        state: 'open',
        since: expect.any(String),
      },
    ],
    others: 'asked',
    silent: [],
  });
  expect((await get('/v1/admin/in-flight')).json()).toMatchObject({ items: [{ breakers: [{ dependency: 'chroma', state: 'open' }] }] });
});

it('both are refused without the scope admin', async () => {
  expect((await get('/v1/admin/in-flight', [])).statusCode).toBe(403);
  expect((await get('/v1/admin/breakers', ['service'])).statusCode).toBe(403);
});
