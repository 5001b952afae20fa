import { afterEach, expect, it } from 'vitest';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { DependencyError } from '#lib/resilience/call/errors';
import { parseConfig } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { Readiness } from '#lib/runtime/health/readiness';
import { eventually } from '#lib/testing/eventually';
import { mintToken } from '#lib/devstack/mint-token';
import { newId } from '#lib/contracts/ids';
import { MemoryAdaptersModule } from '../../../memory-adapters.module.js';
import { createGateway } from '../../../create-gateway.js';

const secret = 'a-secret-of-at-least-thirty-two-bytes';
const env = {
  DATABASE_URL: 'postgres://unused',
  RABBITMQ_URL: 'amqp://unused',
  CHROMA_URL: 'http://unused',
  AUTH_JWT_SECRET: secret,
  RATE_LIMIT_PER_USER: '0',
};

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

it('warns of a 503 with what was behind it, and of a flood of them not once each', async () => {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger('gateway', 'info', { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  const readiness = new Readiness();
  const app = await createGateway(MemoryAdaptersModule, { config: parseConfig(env), logger, readiness });
  closing.push(() => app.close().finally(() => readiness.stop()));
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  app.get(MessageStorePort).find = async () => {
    throw new DependencyError('postgres', 'reads', 'open');
  };
  const headers = { authorization: `Bearer ${await mintToken(secret, { user: 'alice' })}` };
  const url = `/v1/messages/${newId()}`;

  const answers = await Promise.all(Array.from({ length: 20 }, () => app.getHttpAdapter().getInstance().inject({ url, headers })));

  expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([503]));
  const requests = () => lines.filter(({ message }) => message === 'request');
  await eventually(() => expect(requests()).toHaveLength(20));
  const warnings = requests().filter(({ level }) => level === 'warn');
  expect(warnings[0]).toMatchObject({ status: 503, code: 'dependency-unavailable', reason: 'postgres reads: open', alsoRefused: 0 });
  expect(warnings.length).toBeLessThan(10);
});
