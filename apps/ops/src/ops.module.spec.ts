import { Test } from '@nestjs/testing';
import { afterEach, expect, it } from 'vitest';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { parseConfig } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { Readiness } from '#lib/runtime/health/readiness';
import type { ProcessParts } from '#lib/runtime/process/run-process';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { OpsModule, startOps } from './ops.module.js';
import { PeriodicTasks } from './periodic-tasks.js';

const readiness: Readiness[] = [];
afterEach(() => {
  for (const each of readiness.splice(0)) each.stop();
});

/** Nobody listens at any of these addresses. */
async function partsWithoutDependencies(): Promise<ProcessParts> {
  const [port = 0, nobody = 0] = await freePorts(2);
  const parts = {
    config: parseConfig({
      PORT: String(port),
      HOST: '127.0.0.1',
      DATABASE_URL: `postgres://parley@127.0.0.1:${nobody}/parley`,
      RABBITMQ_URL: `amqp://127.0.0.1:${nobody}`,
      CHROMA_URL: `http://127.0.0.1:${nobody}`,
    }),
    logger: createLogger('ops', 'silent'),
    readiness: new Readiness(),
  };
  readiness.push(parts.readiness);
  return parts;
}

it('finds everything that its parts ask for', async () => {
  const module = await Test.createTestingModule({ imports: [OpsModule.of(await partsWithoutDependencies())] }).compile();
  expect(module.get(OutboxRelay)).toBeInstanceOf(OutboxRelay);
  expect(module.get(PeriodicTasks)).toBeInstanceOf(PeriodicTasks);
});

it('starts, answers and stops while everything else is away', async () => {
  const parts = await partsWithoutDependencies();
  const stop = await startOps(parts);
  parts.readiness.started();
  const readyz = await fetch(`http://127.0.0.1:${parts.config.PORT}/readyz`);
  expect(await readyz.json()).toEqual({ status: 'ready', reasons: [] });
  await stop();
  await expect(fetch(`http://127.0.0.1:${parts.config.PORT}/livez`)).rejects.toThrow('fetch failed');
});
