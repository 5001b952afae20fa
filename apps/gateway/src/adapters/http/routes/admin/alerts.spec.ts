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
  answerSiblings('alerts', () => null);
  await closeGateways();
});

const get = async (scopes: readonly ('admin' | 'service')[] = ['admin']) => {
  const token = await mintToken(SECRET, { user: 'olga', scopes });
  return gateway
    .getHttpAdapter()
    .getInstance()
    .inject({ url: '/v1/admin/alerts', headers: { authorization: `Bearer ${token}` } });
};

it('alerts are what ops says', async () => {
  const report = {
    at: '2026-11-22T08:00:00.000Z',
    environment: 'test',
    channels: ['Google Chat'],
    items: [
      {
        alert: 'DeadLetters',
        severity: 'P1',
        state: 'firing',
        labels: { queue: 'q.dlq' },
        summary: '2 dead letters in q.dlq',
        since: '2026-11-22T07:00:00.000Z',
        mutedBy: null,
        runbook: 'dead-letters.md',
      },
    ],
    lastSent: [
      { at: '2026-11-22T07:00:00.000Z', kind: 'firing', severity: 'P1', alert: 'DeadLetters', summary: '2 dead letters in q.dlq' },
    ],
  };
  answerSiblings('alerts', () => report);

  const answer = await get();

  expect(answer.statusCode).toBe(200);
  expect(answer.json()).toEqual(report);
});

it('without an ops process no alert is known, and the problem says where they would come from', async () => {
  answerSiblings('alerts', () => null);

  const answer = await get();

  expect(answer.statusCode).toBe(503);
  expect(answer.json()).toMatchObject({
    code: 'dependency-unavailable',
    detail: 'Alerts are watched by ops. No process of the service ops answers.',
  });
});

it('alerts are refused without the scope admin', async () => {
  expect((await get(['service'])).statusCode).toBe(403);
});
