import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parleyVersion } from '#lib/runtime/process/parley-version';
import { bootGateway, closeGateways } from '../../../memory-gateway.contract.js';

let gateway: NestFastifyApplication;
beforeEach(async () => {
  gateway = await bootGateway();
});
afterEach(closeGateways);

const settings = (host: string) => gateway.getHttpAdapter().getInstance().inject({ url: '/console.json', headers: { host } });

it('the settings of the console name the version of Parley, not that of its API', async () => {
  expect((await settings('localhost:8080')).json()).toEqual({
    version: parleyVersion,
    realtimeUrl: 'ws://localhost:8081/v1/ws',
    mode: 'cluster',
  });
});

it.each(['999.1.1.1:8080', '[a]:80', 'a b'])('the settings of the console repeat no host that is none: %s', async (host) => {
  const answer = await settings(host);
  expect(answer.statusCode).toBe(200);
  expect(answer.json()).not.toHaveProperty('realtimeUrl');
});
