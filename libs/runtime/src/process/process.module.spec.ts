import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Writable } from 'node:stream';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { parseConfig } from '../config/config.js';
import { createOperationsApp } from './http-server.js';
import { createLogger } from '../log/logger.js';
import { Readiness } from '../health/readiness.js';
import { ProcessModule } from './process.module.js';

const config = parseConfig({
  DATABASE_URL: 'postgres://db/parley',
  RABBITMQ_URL: 'amqp://mq',
  CHROMA_URL: 'http://chroma:8000',
});
const silent = createLogger('test', 'fatal', new Writable({ write: (_chunk, _encoding, done) => done() }));

let close: () => Promise<void> = () => Promise.resolve();
afterEach(() => close());

const operations = async (): Promise<{ app: NestFastifyApplication; readiness: Readiness }> => {
  const readiness = new Readiness();
  const app = await createOperationsApp(ProcessModule.of({ config, logger: silent, readiness }));
  close = async () => {
    readiness.stop();
    await app.close();
  };
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  return { app, readiness };
};

it('a process says that it is alive even while it starts', async () => {
  const { app } = await operations();

  const answer = await app.inject('/livez');

  expect(answer.statusCode).toBe(200);
  expect(answer.headers['cache-control']).toBe('no-store');
});

it('a process is ready from its start to the moment it drains', async () => {
  const { app, readiness } = await operations();
  const ready = async () => {
    const answer = await app.inject('/readyz');
    return [answer.statusCode, answer.json()];
  };

  // Building it may have held the event loop of a busy machine for so long that this is a reason, too, for a moment.
  await eventually(async () => expect(await ready()).toEqual([503, { status: 'not-ready', reasons: ['starting'] }]));
  readiness.started();
  await eventually(async () => expect(await ready()).toEqual([200, { status: 'ready', reasons: [] }]));
  readiness.drain();
  await eventually(async () => expect(await ready()).toEqual([503, { status: 'not-ready', reasons: ['draining'] }]));
});

it('a process never lets a cache keep its readiness', async () => {
  const { app } = await operations();

  const answer = await app.inject('/readyz');

  expect(answer.headers['cache-control']).toBe('no-store');
});

it('a process shows its metrics to Prometheus', async () => {
  const { app } = await operations();

  const answer = await app.inject('/metrics');

  expect(answer.headers['content-type']).toContain('text/plain; version=0.0.4');
  expect(answer.body).toContain('nodejs_eventloop_utilization ');
  expect(answer.body).toContain('# TYPE circuit_breaker_state gauge');
});

it('a process keeps idle connections for longer than a load balancer does', async () => {
  const { app } = await operations();

  expect(app.getHttpServer()).toMatchObject({ keepAliveTimeout: 65_000, requestTimeout: 30_000 });
});

it('a process hands a failed start to its caller instead of ending the process', async () => {
  const { app } = await operations();
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');

  const listening = app.listen((taken.address() as AddressInfo).port, '127.0.0.1');

  await expect(listening).rejects.toMatchObject({ code: 'EADDRINUSE' });
  taken.close();
});
