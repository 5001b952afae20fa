import { fileURLToPath } from 'node:url';
import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import { Breakers } from '#lib/resilience/call/breakers';
import { dependencyProbe } from '#lib/resilience/call/dependency-probe';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Health } from '#lib/runtime/health/health';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { CalledObjectStore } from './adapters/called-object-store.js';
import { FileObjects } from './adapters/file-objects.js';
import { MemoryObjectStore } from './adapters/memory-object-store.js';
import { NoObjectStore } from './adapters/no-object-store.js';
import type { ObjectBackend } from './adapters/object-backend.js';
import { ObjectStorePort } from './object-store.port.js';

/** What is too large and too cold for Postgres: ObjectStorePort, and the probe `objectStore`. */
@Module({})
export class ObjectsModule {
  /** Where OBJECT_STORE_URL says; without it nowhere. */
  static configured(): DynamicModule {
    return of([{ provide: ObjectStorePort, inject: [CONFIG, Breakers, Health, Lifecycle, LOGGER], useFactory: objectStore }]);
  }

  static inMemory(): DynamicModule {
    return of([{ provide: ObjectStorePort, useFactory: () => new MemoryObjectStore() }]);
  }
}

const of = (providers: Exclude<Provider, Type>[]): DynamicModule => ({
  module: ObjectsModule,
  global: true,
  providers,
  exports: providers.map(({ provide }) => provide),
});

const objectStore = async (
  config: Config,
  breakers: Breakers,
  health: Health,
  lifecycle: Lifecycle,
  logger: Logger,
): Promise<ObjectStorePort> => {
  if (config.OBJECT_STORE_URL === undefined) {
    logger.info('no OBJECT_STORE_URL: logs of conversations stay in Postgres');
    return new NoObjectStore();
  }
  const backend = await backendOf(new URL(config.OBJECT_STORE_URL), config);
  const store = new CalledObjectStore(backend, breakers);
  health.add(dependencyProbe('objectStore', breakers, async (signal) => void (await backend.keys('logs/', 1, undefined, signal))));
  lifecycle.add({ name: 'object store', phase: 'stores', stop: () => store.close() });
  return store;
};

const backendOf = async (url: URL, config: Config): Promise<ObjectBackend> => {
  if (url.protocol === 'file:') return new FileObjects(fileURLToPath(url));
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = config;
  // Imported here: the SDK takes memory that a process with files does not need.
  const { S3Objects, s3OptionsOf } = await import('./adapters/s3-objects.js');
  const credentials = accessKeyId === undefined || secretAccessKey === undefined ? undefined : { accessKeyId, secretAccessKey };
  return new S3Objects(s3OptionsOf(url, credentials));
};
