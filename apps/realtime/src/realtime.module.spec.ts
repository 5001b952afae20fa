import { afterEach, expect, it } from 'vitest';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { parseConfig } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { Readiness } from '#lib/runtime/health/readiness';
import type { ProcessParts } from '#lib/runtime/process/run-process';
import { startRealtime } from './start-realtime.js';
import { RealtimeModule } from './realtime.module.js';

const readiness: Readiness[] = [];
afterEach(() => {
  for (const each of readiness.splice(0)) each.stop();
});

/** Nothing listens at any of these addresses. */
async function partsWithoutDependencies(overrides: Record<string, string> = {}): Promise<ProcessParts> {
  const [port = 0, closed = 0] = await freePorts(2);
  const parts = {
    config: parseConfig({
      PORT: String(port),
      HOST: '127.0.0.1',
      DATABASE_URL: `postgres://parley@127.0.0.1:${closed}/parley`,
      RABBITMQ_URL: `amqp://127.0.0.1:${closed}`,
      REDIS_URL: `redis://127.0.0.1:${closed}`,
      CHROMA_URL: `http://127.0.0.1:${closed}`,
      AUTH_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes',
      ...overrides,
    }),
    logger: createLogger('realtime', 'silent'),
    readiness: new Readiness(),
  };
  readiness.push(parts.readiness);
  return parts;
}

it.each([
  ['live', () => RealtimeModule.live()],
  ['memory', () => RealtimeModule.inMemory()],
])('the realtime process with %s adapters starts, answers and stops while every dependency is away', async (_, module) => {
  const parts = await partsWithoutDependencies();
  const stop = await startRealtime(module())(parts);
  parts.readiness.started();
  const readyz = await fetch(`http://127.0.0.1:${parts.config.PORT}/readyz`);
  expect(await readyz.json()).toEqual({ status: 'ready', reasons: [] });
  await stop();
  await expect(fetch(`http://127.0.0.1:${parts.config.PORT}/livez`)).rejects.toThrow('fetch failed');
});

it('the realtime process refuses to start without anything to verify tokens with', async () => {
  const parts = await partsWithoutDependencies({ AUTH_JWT_SECRET: '' });
  await expect(startRealtime(RealtimeModule.inMemory())(parts)).rejects.toThrow('AUTH_JWT_SECRET or AUTH_JWKS_URL');
});
