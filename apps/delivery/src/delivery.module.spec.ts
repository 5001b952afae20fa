import { Test } from '@nestjs/testing';
import { afterEach, expect, it } from 'vitest';
import { RabbitServer } from '#lib/bus/adapters/rabbitmq/rabbit-server';
import { ConfigError, parseConfig } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { Readiness } from '#lib/runtime/health/readiness';
import { ProcessModule } from '#lib/runtime/process/process.module';
import type { ProcessParts } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { MessagesConsumer } from './adapters/amqp/messages.consumer.js';
import { DeliveryModule } from './delivery.module.js';

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
      CHROMA_URL: `http://127.0.0.1:${closed}`,
      BUS_DRAIN_MS: '1000',
      ...overrides,
    }),
    logger: createLogger('delivery', 'silent'),
    readiness: new Readiness(),
  };
  readiness.push(parts.readiness);
  return parts;
}

it('the delivery process finds everything that its parts ask for', async () => {
  const module = await Test.createTestingModule({
    imports: [ProcessModule.of(await partsWithoutDependencies()), DeliveryModule],
  }).compile();
  expect(module.get(MessagesConsumer)).toBeInstanceOf(MessagesConsumer);
  expect(module.get(RabbitServer, { strict: false }).isConnected).toBe(false);
});

it('the delivery process handles exactly the queues of its pipeline rows, and starts, answers and stops while every dependency is away', async () => {
  const parts = await partsWithoutDependencies();
  const stop = await startOperationsApp(DeliveryModule)(parts); // refuses to start when handlers and pipeline disagree
  parts.readiness.started();
  const readyz = await fetch(`http://127.0.0.1:${parts.config.PORT}/readyz`);
  expect(await readyz.json()).toEqual({ status: 'ready', reasons: [] });
  await stop();
  await expect(fetch(`http://127.0.0.1:${parts.config.PORT}/livez`)).rejects.toThrow('fetch failed');
});

it('the delivery process refuses to start when a slow Postgres and a slow Redis do not fit into the deadline of a handler', async () => {
  const parts = await partsWithoutDependencies({ DB_STATEMENT_TIMEOUT_MS: '9000' });
  await expect(startOperationsApp(DeliveryModule)(parts)).rejects.toThrow(ConfigError);
});
