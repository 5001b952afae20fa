import { expect, it } from 'vitest';
import { parseConfig } from '#lib/runtime/config/config';
import { embeddedEnvironment, ignoredSettings } from './embedded-environment.js';

const DATABASE_URL = 'postgres://127.0.0.1/parley';

it('one process asks for a database and for no other server', () => {
  const config = parseConfig(embeddedEnvironment({ DATABASE_URL }));
  expect(config).toMatchObject({ DATABASE_URL, REDIS_URL: undefined, DB_POOL_SIZE: 20, EMBEDDING_CACHE_SIZE: 10_000 });
});

it('one process uses no server that is named, whichever way, and says which ones', () => {
  const env = { DATABASE_URL, REDIS_URL: 'redis://other', RABBITMQ_URL_FILE: '/no/such/file', CHROMA_URL: '', DB_POOL_SIZE: '30' };
  const config = parseConfig(embeddedEnvironment(env));
  expect(config).toMatchObject({ REDIS_URL: undefined, RABBITMQ_URL: 'amqp://in-process.invalid', DB_POOL_SIZE: 30 });
  expect(ignoredSettings(env)).toEqual(['RABBITMQ_URL', 'REDIS_URL']);
});
