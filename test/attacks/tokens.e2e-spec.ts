import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

// Family S2: who signs what, and who believes it. Family S3 (guessed passwords) has no door here: Parley has tokens and no passwords.

let parley: RunningParley;
let alice: ParleyClient;
beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  alice = await parley.client('alice');
});
afterAll(() => parley.stop());

const base64 = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const nowS = () => Math.floor(Date.now() / 1_000);
const claims = (more: object = {}) => ({ sub: 'alice', aud: 'parley', iat: nowS(), exp: nowS() + 600, ...more });
const hmac = (key: string | Buffer, header: object, payload: unknown, algorithm = 'sha256') => {
  const signed = `${base64(header)}.${base64(payload)}`;
  return `${signed}.${createHmac(algorithm, key).update(signed).digest('base64url')}`;
};
const secret = () => parley.environment['AUTH_JWT_SECRET'] ?? '';
const HS256 = { alg: 'HS256', typ: 'JWT' };
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
const ownKey = (header: object) => {
  const signed = `${base64({ alg: 'RS256', ...header })}.${base64(claims({ scope: 'admin' }))}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), rsa.privateKey).toString('base64url')}`;
};

it('the gateway believes the token that these forgeries are made from', async () => {
  const answer = await alice.request('GET', '/v1/conversations', undefined, { authorization: `Bearer ${hmac(secret(), HS256, claims())}` });
  expect(answer.status).toBe(200);
});

it.each<[name: string, token: () => string]>([
  ['no algorithm', () => `${base64({ alg: 'none' })}.${base64(claims())}.`],
  ['no algorithm, in other letters', () => `${base64({ alg: 'nOnE' })}.${base64(claims())}.`],
  ['no signature', () => hmac(secret(), HS256, claims()).replace(/[^.]*$/, '')],
  ['another secret', () => hmac('x'.repeat(32), HS256, claims())],
  ['an empty secret', () => hmac('', HS256, claims())],
  ['the public key as secret', () => hmac(publicPem, HS256, claims())],
  ['a longer hash', () => hmac(secret(), { alg: 'HS512' }, claims(), 'sha512')],
  ['a key that it brings along', () => ownKey({ jwk: rsa.publicKey.export({ format: 'jwk' }) })],
  ['a key that lies at its own address', () => ownKey({ jku: 'http://127.0.0.1:1/keys.json' })],
  ['a key that lies in a file', () => ownKey({ kid: '../../../../dev/null' })],
  ['a certificate that it brings along', () => ownKey({ x5c: ['MIIB'] })],
  [
    'claims that changed after the signature',
    () => {
      const [header, , signature] = hmac(secret(), HS256, claims()).split('.');
      return `${header}.${base64(claims({ sub: 'bob', scope: 'admin' }))}.${signature}`;
    },
  ],
  ['the audience of another service', () => hmac(secret(), HS256, claims({ aud: 'elsewhere' }))],
  ['no audience', () => hmac(secret(), HS256, { sub: 'alice', exp: nowS() + 600 })],
  ['a time that is over', () => hmac(secret(), HS256, claims({ exp: nowS() - 1 }))],
  ['a time that has not come', () => hmac(secret(), HS256, claims({ nbf: nowS() + 3_600 }))],
  ['no end', () => hmac(secret(), HS256, { sub: 'alice', aud: 'parley' })],
  ['an end that is a text', () => hmac(secret(), HS256, claims({ exp: 'never' }))],
  ['no user', () => hmac(secret(), HS256, { aud: 'parley', exp: nowS() + 600 })],
  ['a user that is an object', () => hmac(secret(), HS256, claims({ sub: { toString: 'alice' } }))],
  ['a user with a line break', () => hmac(secret(), HS256, claims({ sub: 'alice\r\nadmin' }))],
  ['a user of 65 characters', () => hmac(secret(), HS256, claims({ sub: 'a'.repeat(65) }))],
  ['an unknown critical extension', () => hmac(secret(), { ...HS256, crit: ['exp', 'bomb'], bomb: true }, claims())],
  ['an encrypted form', () => `${base64({ alg: 'dir', enc: 'A256GCM' })}....`],
  ['claims that are no object', () => hmac(secret(), HS256, '"alice"')],
  ['garbage', () => 'a.b.c'],
])('the gateway refuses a token with %s, and says no more than that', async (_, token) => {
  const answer = await alice.request('GET', '/v1/conversations', undefined, { authorization: `Bearer ${token()}` });
  expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
  expect(JSON.stringify(answer.body)).not.toMatch(/jose|node:|stack|secret|HS256/i);
});

it('the gateway does not take a token from the query', async () => {
  const url = `${parley.url}/v1/conversations?access_token=${hmac(secret(), HS256, claims())}`;
  expect((await fetch(url, { signal: AbortSignal.timeout(5_000) })).status).toBe(401);
});

it.each(['x-user-id', 'x-forwarded-user', 'x-remote-user', 'x-scope'])(
  'the gateway does not listen to a header that names a user: %s',
  async (name) => {
    const answer = await fetch(`${parley.url}/v1/conversations`, { headers: { [name]: 'alice' }, signal: AbortSignal.timeout(5_000) });
    expect(answer.status).toBe(401);
  },
);

it('the gateway writes no token into a log', async () => {
  const token = hmac(secret(), HS256, claims());
  await alice.request('GET', '/v1/conversations', undefined, { authorization: `Bearer ${token}` });
  await alice.request('GET', `/v1/conversations?access_token=${token}`);
  const log = await parley.logOf('gateway');
  expect(log).not.toContain(token);
  expect(log).not.toContain(token.split('.')[2] ?? '');
});
