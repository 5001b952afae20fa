import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseConfig } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { Readiness } from '#lib/runtime/health/readiness';
import { MemoryAdaptersModule } from '../../../memory-adapters.module.js';
import { createGateway } from '../../../create-gateway.js';

const env = {
  DATABASE_URL: 'postgres://unused',
  RABBITMQ_URL: 'amqp://unused',
  CHROMA_URL: 'http://unused',
  AUTH_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes',
};

let gateway: NestFastifyApplication;
let readiness: Readiness;
beforeEach(async () => {
  readiness = new Readiness();
  gateway = await createGateway(MemoryAdaptersModule, { config: parseConfig(env), logger: createLogger('gateway', 'silent'), readiness });
  await gateway.init();
  await gateway.getHttpAdapter().getInstance().ready();
});
afterEach(async () => {
  await gateway.close();
  readiness.stop();
});

const get = (url: string, accept: string) => gateway.getHttpAdapter().getInstance().inject({ url, headers: { accept } });

it('shows a browser where to go, without a token, and only to routes that are there', async () => {
  const answer = await get('/', 'text/html,application/xhtml+xml,*/*;q=0.8');

  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
  const links = [...answer.body.matchAll(/href="([^"]+)"/g)].map(([, href = '']) => href);
  expect(links).toContain('/docs');
  for (const link of links) expect([link, (await get(link, '*/*')).statusCode]).toEqual([link, 200]);
});

it('lets the page load, run and send nothing', async () => {
  const { headers, body } = await get('/', 'text/html');

  expect(headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'/);
  expect(body).not.toMatch(/<script|https?:|\son[a-z]+=|style=/);
});

it('is not there for programs', async () => {
  const answer = await get('/', 'application/json');

  expect(answer.statusCode).toBe(404);
  expect(answer.json()).toMatchObject({ code: 'not-found' });
  expect((await get('/openapi.json', '*/*')).json<{ paths: object }>().paths).not.toHaveProperty('/');
});
