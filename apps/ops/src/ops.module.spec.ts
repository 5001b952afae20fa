import { Test } from '@nestjs/testing';
import { afterEach, expect, it } from 'vitest';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { parseConfig } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { Readiness } from '#lib/runtime/health/readiness';
import { ProcessModule } from '#lib/runtime/process/process.module';
import type { ProcessParts } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { OpsModule } from './ops.module.js';
import { Upkeep } from './upkeep.js';

const readiness: Readiness[] = [];
afterEach(() => {
  for (const each of readiness.splice(0)) each.stop();
});

/** Nothing listens at any of these addresses. */
async function partsWithoutDependencies(): Promise<ProcessParts> {
  const [port = 0, closed = 0] = await freePorts(2);
  const parts = {
    config: parseConfig({
      PORT: String(port),
      HOST: '127.0.0.1',
      DATABASE_URL: `postgres://parley@127.0.0.1:${closed}/parley`,
      RABBITMQ_URL: `amqp://127.0.0.1:${closed}`,
      CHROMA_URL: `http://127.0.0.1:${closed}`,
    }),
    logger: createLogger('ops', 'silent'),
    readiness: new Readiness(),
  };
  readiness.push(parts.readiness);
  return parts;
}

it('the ops process finds everything that its parts ask for', async () => {
  const module = await Test.createTestingModule({ imports: [ProcessModule.of(await partsWithoutDependencies()), OpsModule] }).compile();
  expect(module.get(OutboxRelay, { strict: false })).toBeInstanceOf(OutboxRelay);
  expect(module.get(Upkeep)).toBeInstanceOf(Upkeep);
});

it('the ops process starts, answers and stops while every dependency is away', async () => {
  const parts = await partsWithoutDependencies();
  const stop = await startOperationsApp(OpsModule)(parts);
  parts.readiness.started();
  const readyz = await fetch(`http://127.0.0.1:${parts.config.PORT}/readyz`);
  expect(await readyz.json()).toEqual({ status: 'ready', reasons: [] });
  await stop();
  await expect(fetch(`http://127.0.0.1:${parts.config.PORT}/livez`)).rejects.toThrow('fetch failed');
});
