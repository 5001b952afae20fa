import { expect, it, onTestFinished } from 'vitest';
import { startApp } from '#lib/runtime/process/start-app';
import { appModuleContract, partsWithoutDependencies } from '#lib/testing/app-module.contract';
import { createGateway, startGateway } from './create-gateway.js';
import { GatewayModule } from './gateway.module.js';

appModuleContract({
  service: 'gateway',
  start: startGateway,
  refusals: [
    { when: 'without anything to verify tokens with', env: { AUTH_JWT_SECRET: '' }, says: /AUTH_JWT_SECRET or AUTH_JWKS_URL/ },
    {
      when: 'when a wait is longer than the deadline around it, and names both',
      env: { DB_STATEMENT_TIMEOUT_MS: '9000' },
      says: /DB_STATEMENT_TIMEOUT_MS.*deadline of POST/,
    },
  ],
});
appModuleContract({
  service: 'gateway',
  adapters: 'memory',
  start: async (parts) => startApp(await createGateway(GatewayModule.inMemory(), parts), parts.config),
});

it('a gateway answers /v1/health while every dependency is away', async () => {
  const app = await createGateway(GatewayModule.live(), await partsWithoutDependencies('gateway'));
  onTestFinished(() => app.close());
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
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

it('a gateway with a language model says that it does not know how the model fares when no process answers', async () => {
  const env = { LLM_PROVIDER: 'openai', LLM_BASE_URL: 'http://127.0.0.1:1/v1', LLM_MODEL: 'any' };
  const app = await createGateway(GatewayModule.live(), await partsWithoutDependencies('gateway', env));
  onTestFinished(() => app.close());
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  const { checks } = (await app.inject('/v1/health')).json<{ checks: Record<string, object> }>();
  expect(checks['llm']).toMatchObject({ status: 'degraded', detail: 'not-known' });
});
