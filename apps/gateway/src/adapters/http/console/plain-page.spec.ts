import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bootGateway, closeGateways } from '../../../memory-gateway.contract.js';

let gateway: NestFastifyApplication;
beforeEach(async () => {
  gateway = await bootGateway();
});
afterEach(closeGateways);

const get = (url: string, accept: string) => gateway.getHttpAdapter().getInstance().inject({ url, headers: { accept } });

it('the home page shows a browser where to go, without a token, and only to routes that are there', async () => {
  const answer = await get('/', 'text/html,application/xhtml+xml,*/*;q=0.8');

  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
  const links = [...answer.body.matchAll(/href="([^"]+)"/g)].map(([, href = '']) => href);
  expect(links).toContain('/docs');
  for (const link of links) expect([link, (await get(link, '*/*')).statusCode]).toEqual([link, 200]);
});

it('the home page may load, run and send nothing', async () => {
  const { headers, body } = await get('/', 'text/html');

  expect(headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'/);
  expect(body).not.toMatch(/<script|https?:|\son[a-z]+=|style=/);
});

it('the home page is not there for programs', async () => {
  const answer = await get('/', 'application/json');

  expect(answer.statusCode).toBe(404);
  expect(answer.json()).toMatchObject({ code: 'not-found' });
  expect((await get('/openapi.json', '*/*')).json<{ paths: object }>().paths).not.toHaveProperty('/');
});
