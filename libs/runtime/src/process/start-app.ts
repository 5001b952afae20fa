import type { DynamicModule, Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Config } from '../config/config.js';
import type { ConnectionLimits } from './connection-limits.js';
import { createOperationsApp } from './http-server.js';
import { Lifecycle } from './lifecycle.js';
import { ProcessModule } from './process.module.js';
import type { ProcessParts } from './run-process.js';

/** Root of a background process: the operations endpoints beside the module of the app. */
class OperationsRoot {}

/**
 * The `start` of a background process (embedding, ops): the module of its app and the operations endpoints, listening before anything else.
 *
 *     await runProcess({ service: 'ops', drainMs: () => 15_000, start: startOperationsApp(OpsModule.live()) });
 *
 * @param connections for a process whose port others than operators and probes use too.
 */
export const startOperationsApp =
  (appModule: Type | DynamicModule, connections?: (config: Config) => ConnectionLimits) =>
  async (parts: ProcessParts): Promise<() => Promise<void>> => {
    const root: DynamicModule = { module: OperationsRoot, imports: [ProcessModule.of(parts), appModule] };
    return startApp(await createOperationsApp(root, connections?.(parts.config)), parts.config);
  };

/** Like {@link startOperationsApp}, for an app whose process answers operators and probes at another port: it listens nowhere. */
export const startSilentApp =
  (appModule: DynamicModule) =>
  async (parts: ProcessParts): Promise<() => Promise<void>> => {
    const root: DynamicModule = { module: OperationsRoot, imports: [ProcessModule.of(parts), appModule] };
    return startApp(await createOperationsApp(root), 'nowhere');
  };

/**
 * Listens and starts everything in the order of {@link Lifecycle}. Resolves when it takes work, also when everything that it depends on is away.
 * @returns what stops it all in order; rejects when something did not stop as it should.
 * @throws ConfigError for settings that can never work; PipelineMismatch when handlers and pipeline disagree.
 */
export const startApp = async (
  app: NestFastifyApplication,
  address: Pick<Config, 'PORT' | 'HOST'> | 'nowhere',
): Promise<() => Promise<void>> => {
  const lifecycle = app.get(Lifecycle);
  for (const { strategy, filters } of lifecycle.transports) {
    // Deferred, because a filter that is added after initialization is ignored.
    app.connectMicroservice({ strategy }, { deferInitialization: true }).useGlobalFilters(...filters);
  }
  if (address === 'nowhere') await app.init();
  else await app.listen(address.PORT, address.HOST);
  await lifecycle.start();
  await app.startAllMicroservices();
  return async () => {
    await app.close();
    lifecycle.assertStopped();
  };
};
