import { afterEach, expect, it } from 'vitest';
import { parseConfig } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { Readiness } from '#lib/runtime/health/readiness';
import { createGateway } from './create-gateway.js';
import { GatewayModule } from './gateway.module.js';

const env = {
  DATABASE_URL: 'postgres://parley@127.0.0.1:1/parley',
  RABBITMQ_URL: 'amqp://127.0.0.1:1',
  REDIS_URL: 'redis://127.0.0.1:1',
  CHROMA_URL: 'http://127.0.0.1:1',
  AUTH_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes',
};

const running: { close(): Promise<void> }[] = [];
const boot = async (gateway = GatewayModule.live(), overrides: Record<string, string> = {}) => {
  const readiness = new Readiness();
  const parts = { config: parseConfig({ ...env, ...overrides }), logger: createLogger('gateway', 'fatal'), readiness };
  const app = await createGateway(gateway, parts);
  running.push({ close: () => app.close().finally(() => readiness.stop()) });
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  return app;
};
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.close()));
});

it.each([
  ['live', GatewayModule.live()],
  ['memory', GatewayModule.inMemory()],
])('a gateway with %s adapters is built while every dependency is away', async (_, gateway) => {
  const app = await boot(gateway);
  expect((await app.inject('/livez')).statusCode).toBe(200);
});

it('a gateway refuses to start without anything to verify tokens with', async () => {
  await expect(boot(GatewayModule.inMemory(), { AUTH_JWT_SECRET: '' })).rejects.toThrow('AUTH_JWT_SECRET or AUTH_JWKS_URL');
});

it('a gateway refuses to start when a wait is longer than the deadline around it, and names both', async () => {
  await expect(boot(GatewayModule.inMemory(), { DB_STATEMENT_TIMEOUT_MS: '9000' })).rejects.toThrow(
    /DB_STATEMENT_TIMEOUT_MS.*deadline of POST/,
  );
});

it('a gateway answers /v1/health while every dependency is away', async () => {
  const app = await boot();
  const startedAt = performance.now();
  const answer = await app.inject('/v1/health');
  expect(performance.now() - startedAt).toBeLessThan(2_500);
  expect(answer.statusCode).toBe(503);
  const { status, checks } = answer.json<{ status: string; checks: Record<string, { status: string }> }>();
  expect(status).toBe('down');
  expect(Object.keys(checks).sort()).toEqual(['chroma', 'embedder', 'llm', 'objectStore', 'pipeline', 'postgres', 'rabbitmq', 'redis']);
  expect(checks['postgres']?.status).toBe('down');
  expect(checks['embedder']?.status).toBe('ok');
  expect(checks['pipeline']).toMatchObject({ status: 'degraded', detail: 'not-known' });
  expect([checks['llm']?.status, checks['objectStore']?.status]).toEqual(['not_configured', 'not_configured']);
});
