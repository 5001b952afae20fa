import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InvalidToken } from '../token-verifier.port.js';
import { RemoteKeys } from './jose-remote-keys.js';
import { JoseTokenVerifier } from './jose-token-verifier.js';

const secret = 'a-secret-of-at-least-thirty-two-bytes';
const now = () => Math.floor(Date.now() / 1_000);
const claims = (overrides: Record<string, unknown> = {}) => ({ sub: 'alice', aud: 'parley', exp: now() + 60, ...overrides });
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

const hs256 = (payload: Record<string, unknown>, key: string | Buffer = secret, header: Record<string, unknown> = {}) => {
  const signed = `${base64url({ alg: 'HS256', typ: 'JWT', ...header })}.${base64url(payload)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
};

describe('a verifier with a shared secret', () => {
  const verifier = () => new JoseTokenVerifier({ secret }, 'parley');

  it('says who the caller is, what it may do and until when', async () => {
    const exp = now() + 60;
    const caller = await verifier().verify(hs256(claims({ scope: 'admin service', exp })));
    expect(caller).toEqual({ userId: 'alice', scopes: new Set(['admin', 'service']), expiresAt: exp * 1_000 });
  });

  it('knows no scopes without a scope claim, and none in one that is no text', async () => {
    expect((await verifier().verify(hs256(claims()))).scopes.size).toBe(0);
    expect((await verifier().verify(hs256(claims({ scope: { admin: true } })))).scopes.size).toBe(0);
  });

  it.each([
    ['no token', () => ''],
    ['garbage', () => 'abc.def.ghi'],
    ['alg none', () => `${base64url({ alg: 'none' })}.${base64url(claims())}.`],
    ['alg none with a signature', () => hs256(claims(), secret, { alg: 'none' })],
    ['an algorithm that is not ours', () => hs256(claims(), secret, { alg: 'HS512' })],
    ['another secret', () => hs256(claims(), 'another-secret-of-thirty-two-bytes-or-more')],
    ['an expired token', () => hs256(claims({ exp: now() - 1 }))],
    ['a token without an end', () => hs256(claims({ exp: undefined }))],
    ['an end that is no number', () => hs256(claims({ exp: 'tomorrow' }))],
    ['a token that is not valid yet', () => hs256(claims({ nbf: now() + 60 }))],
    ['another audience', () => hs256(claims({ aud: 'somebody-else' }))],
    ['no audience', () => hs256(claims({ aud: undefined }))],
    ['no subject', () => hs256(claims({ sub: undefined }))],
    ['a subject that is no user id', () => hs256(claims({ sub: 'alice; drop table' }))],
    ['a subject that stands for erased users', () => hs256(claims({ sub: 'parley:erased' }))],
    ['a subject that is no text', () => hs256(claims({ sub: 42 }))],
    ['an unknown critical header', () => hs256(claims(), secret, { crit: ['exp2'], exp2: 1 })],
    ['a key that the token brings along', () => hs256(claims(), 'x'.repeat(32), { jwk: { kty: 'oct', k: 'eA' } })],
    ['a changed payload', () => hs256(claims()).replace(/\.[^.]+\./, `.${base64url(claims({ sub: 'bob' }))}.`)],
  ])('refuses %s', async (_, token) => {
    await expect(verifier().verify(token())).rejects.toThrow(InvalidToken);
  });

  it('forgives a clock that is a little behind for the beginning of a token, never for its end', async () => {
    await expect(verifier().verify(hs256(claims({ nbf: now() + 3 })))).resolves.toBeDefined();
    await expect(verifier().verify(hs256(claims({ exp: now() - 1 })))).rejects.toThrow('expired');
  });

  it('refuses a token that it remembers once that expires', async () => {
    const patient = verifier();
    const token = hs256(claims({ exp: now() + 1 }));
    await expect(patient.verify(token)).resolves.toBeDefined();
    await expect
      .poll(
        () =>
          patient.verify(token).then(
            () => 'accepted',
            (error: Error) => error.message,
          ),
        { timeout: 3_000 },
      )
      .toBe('expired');
  });
});

describe('a token that is refused', () => {
  const faultOf = (payload: object, key: string | Buffer = secret) =>
    new JoseTokenVerifier({ secret }, 'parley', 86_400).verify(hs256({ ...claims(), ...payload }, key)).then(
      () => 'none',
      (error: InvalidToken) => error.fault,
    );

  it.each([
    ['expired', { exp: now() - 10 }],
    ['not-yet-valid', { nbf: now() + 600 }],
    ['other-audience', { aud: 'elsewhere' }],
    ['lives-too-long', { exp: now() + 90_000 }],
    ['forged', { sub: '' }],
  ])('says what its owner can do about it: %s', async (fault, payload) => {
    expect(await faultOf(payload)).toBe(fault);
  });

  it('says nothing of its claims when its signature is wrong', async () => {
    expect(await faultOf({ exp: now() - 10 }, 'another secret of more than 32 bytes')).toBe('forged');
  });
});

describe('a verifier with a key set', () => {
  let server: Server;
  let url: URL;
  let requests = 0;
  let mode: 'ok' | 'broken' | 'silent' = 'ok';
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  const published = new Map<string, KeyObject>();

  beforeEach(async () => {
    requests = 0;
    mode = 'ok';
    published.clear();
    published.set('rsa', rsa.publicKey).set('ec', ec.publicKey).set('ed', ed.publicKey);
    server = createServer((_, response) => {
      requests += 1;
      if (mode === 'silent') return;
      if (mode === 'broken') {
        response.writeHead(500).end();
        return;
      }
      const keys = [...published].map(([kid, key]) => ({ ...key.export({ format: 'jwk' }), kid, use: 'sig' }));
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`);
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const verifier = (withSecret = false) =>
    new JoseTokenVerifier({ remote: new RemoteKeys(url), ...(withSecret ? { secret } : {}) }, 'parley');
  const sign = (alg: string, kid: string, key: KeyObject) => new SignJWT(claims()).setProtectedHeader({ alg, kid }).sign(key);

  it.each([
    ['RS256', 'rsa', rsa.privateKey],
    ['ES256', 'ec', ec.privateKey],
    ['EdDSA', 'ed', ed.privateKey],
  ])('takes %s', async (alg, kid, key) => {
    await expect(verifier().verify(await sign(alg, kid, key))).resolves.toMatchObject({ userId: 'alice' });
  });

  it.each([false, true])('refuses HS256 signed with a public key (with a secret besides: %s)', async (withSecret) => {
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
    const forged = hs256(claims(), pem, { kid: 'rsa' });
    await expect(verifier(withSecret).verify(forged)).rejects.toThrow(InvalidToken);
  });

  it('refuses a key that was never published, and asks for the keys once, not once per forged token', async () => {
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const patient = verifier();
    for (const kid of ['x1', 'x2', 'x3', '../../etc/passwd']) {
      await expect(patient.verify(await sign('RS256', kid, stranger.privateKey))).rejects.toThrow(InvalidToken);
    }
    await expect(patient.verify(await sign('RS256', 'rsa', stranger.privateKey))).rejects.toThrow(InvalidToken);
    expect(requests).toBe(1);
  });

  it('goes on with the keys it has when the identity provider is away', async () => {
    const patient = verifier();
    await patient.verify(await sign('RS256', 'rsa', rsa.privateKey));
    mode = 'broken';
    await expect(patient.verify(await sign('EdDSA', 'ed', ed.privateKey))).resolves.toBeDefined();
  });

  it('lets no caller in, and says that it is not their fault, while there are no keys', async () => {
    mode = 'broken';
    const patient = verifier();
    const token = await sign('RS256', 'rsa', rsa.privateKey);
    await expect(patient.verify(token)).rejects.toMatchObject({ code: 'dependency-unavailable' });
    await expect(patient.verify(token)).rejects.toMatchObject({ code: 'dependency-unavailable' });
    expect(requests).toBe(1); // the second one is not made to wait
  });

  it('waits at most 2 s for an identity provider that does not answer', async () => {
    mode = 'silent';
    const startedAt = performance.now();
    await expect(verifier().verify(await sign('RS256', 'rsa', rsa.privateKey))).rejects.toMatchObject({ code: 'dependency-unavailable' });
    expect(performance.now() - startedAt).toBeLessThan(4_500);
  });
});
