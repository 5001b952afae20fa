import { Controller, Get, Injectable, Module, type Type } from '@nestjs/common';
import { afterEach, expect, it } from 'vitest';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { eventually } from '#lib/testing/eventually';
import { ConfigError, parseConfig } from '../config/config.js';
import { Readiness } from '../health/readiness.js';
import { createLogger } from '../log/logger.js';
import { createOperationsApp } from './http-server.js';
import { Lifecycle, type LifecyclePart } from './lifecycle.js';
import { ProcessModule } from './process.module.js';
import { startApp, startOperationsApp } from './start-app.js';

let stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  const running = stops;
  stops = [];
  await Promise.allSettled(running.map((stop) => stop()));
});

const processParts = async () => {
  const [port = 0] = await freePorts(1);
  const readiness = new Readiness();
  stops.push(async () => readiness.stop());
  const env = { DATABASE_URL: 'postgres://nowhere/parley', RABBITMQ_URL: 'amqp://nowhere', CHROMA_URL: 'http://nowhere' };
  const config = parseConfig({ ...env, HOST: '127.0.0.1', PORT: String(port) });
  return { config, readiness, logger: createLogger('test', 'silent'), url: `http://127.0.0.1:${port}` };
};

/** An app with these parts, each added by a provider as the libs do it. */
const appWith = (parts: readonly LifecyclePart[], controllers: Type[] = []): Type => {
  @Injectable()
  class Parts {
    constructor(lifecycle: Lifecycle) {
      for (const part of parts) lifecycle.add(part);
    }
  }
  @Module({ controllers, providers: [Parts] })
  class AppModule {}
  return AppModule;
};

const isUp = async (url: string, path: string): Promise<boolean> => (await fetch(url + path)).status === 200;

it('a background process answers probes and metrics while its parts still connect, and until the last of them has stopped', async () => {
  const [connected, drained, closed] = [1, 2, 3].map(() => Promise.withResolvers<void>());
  const happened: string[] = [];
  const parts: LifecyclePart[] = [
    { name: 'postgres', phase: 'stores', start: () => connected?.promise ?? undefined, stop: () => closed?.promise ?? undefined },
    { name: 'consumers', phase: 'intake', start: () => void happened.push('consuming'), stop: () => drained?.promise ?? undefined },
  ];
  const { url, ...given } = await processParts();
  const starting = startOperationsApp(appWith(parts))(given);
  await eventually(async () => expect(await isUp(url, '/livez')).toBe(true));
  expect(happened).toEqual([]);
  connected?.resolve();
  const stop = await starting;
  expect(happened).toEqual(['consuming']);

  const stopping = stop();
  expect([await isUp(url, '/livez'), await isUp(url, '/metrics')]).toEqual([true, true]);
  drained?.resolve();
  expect(await isUp(url, '/livez')).toBe(true);
  closed?.resolve();
  await stopping;
  await expect(fetch(`${url}/livez`)).rejects.toThrow('fetch failed');
});

it('a process that serves users connects before it listens, and stops what is in the background after its last answer', async () => {
  const happened: string[] = [];
  const answer = Promise.withResolvers<void>();
  @Controller()
  class SlowController {
    @Get('slow')
    async slow(): Promise<string> {
      happened.push('asked');
      await answer.promise;
      happened.push('answered');
      return 'done';
    }
  }
  const { url, config, ...given } = await processParts();
  const parts = (['stores', 'background'] as const).map((phase) => ({
    name: phase,
    phase,
    start: () => void happened.push(`start ${phase}`),
    stop: () => void happened.push(`stop ${phase}`),
  }));
  class Root {}
  const imports = [ProcessModule.of({ config, ...given }, { listens: 'last' }), appWith(parts, [SlowController])];
  const app = await createOperationsApp({ module: Root, imports });
  await app.init();
  expect(happened).toEqual(['start stores', 'start background']);
  const stop = await startApp(app, config);
  const asked = fetch(`${url}/slow`, { headers: { connection: 'close' } });
  await eventually(() => expect(happened).toContain('asked'));
  const stopping = stop();
  setTimeout(() => answer.resolve(), 50);
  expect((await asked).status).toBe(200);
  await stopping;
  expect(happened).toEqual(['start stores', 'start background', 'asked', 'answered', 'stop background', 'stop stores']);
});

it('a process says that it did not stop in order when a part could not, and has stopped all the same', async () => {
  const stop = () => Promise.reject(new Error('channel is gone'));
  const { url, ...given } = await processParts();
  const stopApp = await startOperationsApp(appWith([{ name: 'publisher', phase: 'broker', stop }]))(given);
  await expect(stopApp()).rejects.toThrow('did not stop in order: publisher');
  await expect(fetch(`${url}/livez`)).rejects.toThrow('fetch failed');
});

it('a process does not start with a setting that can never work', async () => {
  const start = () => Promise.reject(new ConfigError(['EMBEDDING_MODEL: is required']));
  const { url: _, ...given } = await processParts();
  await expect(startOperationsApp(appWith([{ name: 'vectors', phase: 'stores', start }]))(given)).rejects.toThrow(ConfigError);
});
