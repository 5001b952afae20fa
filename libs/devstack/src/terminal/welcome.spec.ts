import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import type { StackState } from '#lib/devstack/home/state';
import { welcome } from './welcome.js';

const password = 'a-password-of-24-letters';
const state: StackState = {
  phase: 'ready',
  supervisor: undefined,
  gatewayUrl: 'http://localhost:26000',
  services: ['gateway', 'embedding', 'realtime-1'].map((name, i) => ({
    name,
    app: name.replace('-1', ''),
    url: `http://localhost:${26_000 + i}`,
  })),
  dependencies: [
    { name: 'postgres', origin: 'local', url: `postgres://parley:${password}@127.0.0.1:26030/parley` },
    { name: 'rabbitmq', origin: 'env', url: 'amqp://guest:not-ours@mq.example/parley' },
  ],
  environment: {},
  migration: {},
  managementUrl: `http://parley:${password}@127.0.0.1:33592`,
};

it('the welcome shows where everything is and its logins whole, in a table that fits a terminal, and never a login that the caller gave', async () => {
  const text = stripVTControlCharacters(await welcome(state));
  for (const line of text.split('\n').filter((each) => each.startsWith('│'))) expect(line.length).toBeLessThanOrEqual(80);
  expect(text).toContain(`RabbitMQ UI  http://localhost:33592  parley / ${password}`);
  expect(text).toContain(`postgres://parley:${password}@127.0.0.1:26030/parley`);
  expect(text).toContain('ws://localhost:26002/v1/ws');
  expect(text).not.toMatch(/…|not-ours/);
});

it('the welcome of the embedded mode cuts no address either', async () => {
  const dependencies = [{ name: 'postgres', origin: 'embedded', url: `postgres://parley:${password}@127.0.0.1:26030/parley` }] as const;
  const services = state.services.filter(({ app }) => app !== 'embedding');
  const embedded = { url: 'http://127.0.0.1:1', token: password };
  expect(await welcome({ ...state, services, dependencies, embedded })).not.toContain('…');
});

it('the welcome has the link that opens the console signed in, with the token where no server sees it', async () => {
  const environment = { AUTH_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes' };
  expect(await welcome({ ...state, environment })).toMatch(/http:\/\/localhost:26000\/#\/sign-in\?token=[\w.-]+/);
});
