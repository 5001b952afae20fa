import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DeviceStorePort } from '#lib/conversations/device-store.port';
import type { MemoryDeviceStore } from '#lib/conversations/adapters/memory-device-store';
import { mintToken } from '#lib/devstack/mint-token';
import { bootGateway, closeGateways, SECRET } from '../memory-gateway.contract.js';

const logLines: Record<string, unknown>[] = [];
let gateway: NestFastifyApplication;
let devices: MemoryDeviceStore['devices'];
beforeEach(async () => {
  logLines.length = 0;
  gateway = await bootGateway({ env: { RATE_LIMIT_PER_USER: '0' }, logTo: logLines });
  ({ devices } = gateway.get<MemoryDeviceStore>(DeviceStorePort, { strict: false }));
});
afterEach(closeGateways);

const ask = async (method: 'PUT' | 'DELETE', id: string, { user = 'alice', json }: { user?: string; json?: unknown } = {}) => {
  const headers = {
    authorization: `Bearer ${await mintToken(SECRET, { user })}`,
    ...(json === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const payload = json === undefined ? {} : { payload: JSON.stringify(json) };
  const { statusCode, body } = await gateway
    .getHttpAdapter()
    .getInstance()
    .inject({ method, url: `/v1/devices/${id}`, headers, ...payload });
  return { status: statusCode, problem: body === '' ? undefined : (JSON.parse(body) as Record<string, unknown>) };
};
const register = (id: string, json: unknown, user?: string) => ask('PUT', id, { json, ...(user === undefined ? {} : { user }) });
const held = () => [...devices.values()].map(({ userId, id, token }) => `${userId}/${id} ${token}`);

describe('PUT /v1/devices/{id}', () => {
  it('registers a device, and the same again changes nothing', async () => {
    for (let i = 0; i < 2; i += 1) expect(await register('pixel-9', { provider: 'fcm', token: 'one' })).toEqual({ status: 204 });
    expect(held()).toEqual(['alice/pixel-9 one']);
  });

  it('gives a token to the user who registered it last', async () => {
    await register('pixel-9', { provider: 'fcm', token: 'one' });
    await register('my-phone', { provider: 'fcm', token: 'one' }, 'bob');
    expect(held()).toEqual(['bob/my-phone one']);
  });

  it('says of the eleventh device how many a user may have', async () => {
    for (let i = 0; i < 10; i += 1) await register(`device-${i}`, { provider: 'onesignal', token: `token-${i}` });
    const { status, problem } = await register('one-more', { provider: 'fcm', token: 'x' });
    expect([status, problem?.['code'], problem?.['detail']]).toEqual([
      400,
      'validation',
      'You have 10 devices, the most that a user may have: remove one first.',
    ]);
  });

  it.each<[string, string, unknown, string]>([
    ['an id that is too long', 'x'.repeat(65), { provider: 'fcm', token: 't' }, '/deviceId'],
    ['an id with other characters', 'a%20b', { provider: 'fcm', token: 't' }, '/deviceId'],
    ['another provider', 'p', { provider: 'apns', token: 't' }, '/provider'],
    ['no token', 'p', { provider: 'fcm' }, '/token'],
    ['an empty token', 'p', { provider: 'fcm', token: '' }, '/token'],
    ['a token with a line break', 'p', { provider: 'fcm', token: 'a\r\nb' }, '/token'],
    ['a token that is too long', 'p', { provider: 'fcm', token: 'x'.repeat(1_025) }, '/token'],
    ['a token that is no text', 'p', { provider: 'fcm', token: ['x'] }, '/token'],
    ['another user', 'p', { provider: 'fcm', token: 't', userId: 'bob' }, '/userId'],
  ])('refuses %s', async (_, id, body, pointer) => {
    const { status, problem } = await register(id, body);
    expect([status, problem?.['errors']]).toEqual([400, [{ pointer, message: expect.any(String) }]]);
    expect(held()).toEqual([]);
  });

  it('leaves no token in the log, neither of a good request nor of a bad one', async () => {
    await register('pixel-9', { provider: 'fcm', token: 'a-very-secret-token' });
    await register('pixel-9', { provider: 'nope', token: 'a-very-secret-token' });
    await expect.poll(() => logLines).toHaveLength(2);
    expect(logLines[0]).toMatchObject({ route: '/v1/devices/:deviceId', status: 204, userId: 'alice' });
    expect(JSON.stringify(logLines)).not.toContain('secret');
  });
});

describe('DELETE /v1/devices/{id}', () => {
  it('removes a device of the caller only, and says the same of one that is not there', async () => {
    await register('phone', { provider: 'fcm', token: 'one' });
    expect(await ask('DELETE', 'phone', { user: 'mallory' })).toEqual({ status: 204 });
    expect(held()).toEqual(['alice/phone one']);
    for (let i = 0; i < 2; i += 1) expect(await ask('DELETE', 'phone')).toEqual({ status: 204 });
    expect(held()).toEqual([]);
  });
});
