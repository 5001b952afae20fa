import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { answerSiblings } from '#lib/runtime/workers/sibling-workers';
import { mintToken } from '#lib/devstack/mint-token';
import { bootGateway, closeGateways, SECRET } from '../../../../memory-gateway.contract.js';

let gateway: NestFastifyApplication;
beforeEach(async () => {
  gateway = await bootGateway();
});
afterEach(async () => {
  answerSiblings('scaling', () => null);
  await closeGateways();
});

const get = async (scopes: readonly ('admin' | 'service')[] = ['admin']) => {
  const token = await mintToken(SECRET, { user: 'olga', scopes });
  return gateway
    .getHttpAdapter()
    .getInstance()
    .inject({ url: '/v1/admin/scaling-advice', headers: { authorization: `Bearer ${token}` } });
};

it('scaling advice is what ops says', async () => {
  const report = { at: '2026-11-22T08:00:00.000Z', items: [], atDoubleLoad: [], missing: [], seesOnlyItself: false };
  answerSiblings('scaling', () => report);

  const answer = await get();

  expect(answer.statusCode).toBe(200);
  expect(answer.json()).toEqual(report);
});

it('without an ops process there is no advice, and the problem says where it would come from', async () => {
  answerSiblings('scaling', () => null);

  const answer = await get();

  expect(answer.statusCode).toBe(503);
  expect(answer.json()).toMatchObject({
    code: 'dependency-unavailable',
    detail: 'Advice is given by ops. No process of the service ops answers.',
  });
});

it('scaling advice is refused without the scope admin', async () => {
  expect((await get(['service'])).statusCode).toBe(403);
});
