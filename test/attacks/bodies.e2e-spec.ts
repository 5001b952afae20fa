import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { RawClient } from './raw-client.js';

// Families S4 (fields that are not the caller's to set), S5 (single bodies), S17 (injection) and S18 (headers that claim something).

let parley: RunningParley;
let alice: ParleyClient;
let id: string;
let path: string;
let token: string;
beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  [alice, token] = await Promise.all([parley.client('alice'), parley.tokenOf({ user: 'alice' })]);
  id = (await alice.createConversation({ memberIds: [] })).id;
  path = `/v1/conversations/${id}/messages`;
});
afterAll(() => parley.stop());

const json = { 'content-type': 'application/json' };

describe('S4: a field that only Parley sets', () => {
  it.each(['id', 'seq', 'senderId', 'conversationId', 'version', 'createdAt', 'deletedAt', 'pipeline', 'role', 'scope', 'analysis_status'])(
    'is refused in a message: %s',
    async (field) => {
      const answer = await alice.request('POST', path, { content: 'x', [field]: 1 });
      expect(answer).toMatchObject({ status: 400, body: { code: 'validation' } });
    },
  );

  it.each(['__proto__', 'constructor', 'prototype'])('is not smuggled in by %s', async (field) => {
    const answer = await alice.requestRaw('POST', path, `{"content":"x","${field}":{"prototype":{"isAdmin":true},"isAdmin":true}}`, json);
    expect(answer.status).toBe(400);
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
  });

  it('is not set through a repeated key either', async () => {
    const answer = await alice.requestRaw('POST', path, '{"content":"first","content":"second"}', json);
    // JSON.parse takes the last one; what counts is that the answer says what is stored.
    const { id: messageId, content } = answer.body as { id: string; content: string };
    expect((await alice.message(messageId)).content).toBe(content);
  });
});

describe('S5: a body that is dear to read', () => {
  it.each<[name: string, status: readonly number[], body: () => string | Buffer, headers?: Record<string, string>]>([
    ['more than it may have', [413], () => Buffer.alloc(10_485_761, 0x20)],
    ['an array of a million', [400, 413], () => `[${'1,'.repeat(999_999)}1]`],
    ['an array of a million objects', [400, 413], () => `[${'{},'.repeat(999_999)}{}]`],
    ['a depth of 100,000', [400, 413], () => '['.repeat(100_000)],
    ['objects 50,000 deep', [400, 413], () => '{"a":'.repeat(50_000)],
    ['a number of 100,000 digits', [400, 413], () => `{"content":${'9'.repeat(100_000)}}`],
    ['100,000 keys', [400, 413], () => `{${Array.from({ length: 100_000 }, (_, i) => `"k${i}":1`).join(',')}}`],
    ['a compressed form', [415], () => gzipSync('{"content":"x"}'), { 'content-encoding': 'gzip' }],
    ['a claim to be compressed', [415], () => '{"content":"x"}', { 'content-encoding': 'gzip' }],
    ['XML', [415], () => '<a/>', { 'content-type': 'application/xml' }],
    ['a form', [415], () => 'content=x', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['UTF-16', [400, 415], () => Buffer.from('{"content":"x"}', 'utf16le')],
    ['broken UTF-8', [400], () => Buffer.from([0x22, 0xff, 0xfe, 0x22])],
  ])('is refused: %s', async (_, statuses, body, headers = {}) => {
    const answer = await alice.requestRaw('POST', path, body(), { ...json, ...headers });
    expect(statuses).toContain(answer.status);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it.each([
    ['limit=1000000000'],
    ['limit=-1'],
    ['limit=1e9'],
    ['afterSeq=9007199254740993'],
    ['limit=1&limit=2'],
    ['afterSeq[]=1'],
    ['limit=%00'],
  ])('is not answered for ?%s', async (query) => {
    expect((await alice.request('GET', `${path}?${query}`)).status).toBe(400);
  });
});

describe('S17: what looks like code', () => {
  it.each([
    `'; DROP TABLE messages; --`,
    `" OR 1=1 --`,
    `a & b | !c <-> (d`,
    `:* & '':A`,
    '{"$ne":null}',
    '${jndi:ldap://127.0.0.1/a}',
    '{{7*7}}',
    '<script>alert(1)</script>',
    '\\',
    '%s%s%n',
    '\r\nSET x 1\r\n',
    '{"level":60,"msg":"forged"}',
  ])('is a text like any other: %s', async (text) => {
    const message = await alice.send(id, text);
    expect((await alice.message(message.id)).content).toBe(text);
    for (const mode of ['sparse', 'dense', 'hybrid'] as const) {
      const answer = await alice.request('GET', `/v1/search?mode=${mode}&q=${encodeURIComponent(text)}`);
      expect([200, 400]).toContain(answer.status);
      // The text itself is JSON; the excerpt is HTML.
      const { items = [] } = answer.body as { items?: { highlight: string }[] };
      expect(items.map(({ highlight }) => highlight).join()).not.toMatch(/<(?!\/?mark>)/);
    }
    const context = await alice.request('POST', `/v1/conversations/${id}/context`, { query: text, maxTokens: 500 });
    expect(context.status).toBe(200);
  });

  it('stays one line of the log', async () => {
    const client = await RawClient.to(parley.url);
    client.writeHead(
      `GET /v1/search?q=${encodeURIComponent('x\n{"level":60,"forged":true}')} HTTP/1.1`,
      'Host: parley',
      'X-Request-Id: x","forged":true,"y":"',
      'User-Agent: \u001b[31m{"forged":true}',
      'Connection: close',
      '',
    );
    await client.read();
    client.close();
    const lines = (await parley.logOf('gateway')).split('\n').filter((line) => line !== '');
    for (const line of lines) expect(JSON.parse(line)).not.toHaveProperty('forged');
  });

  it.each(['sort=created_at;DROP TABLE x', 'order=1', 'fields=*', 'where={}'])('is no parameter that a list knows: %s', async (query) => {
    expect((await alice.request('GET', `/v1/conversations?${query}`)).status).toBe(400);
  });
});

describe('S18: a header that claims something', () => {
  it.each<[name: string, headers: Record<string, string>]>([
    ['another address', { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1', forwarded: 'for=127.0.0.1' }],
    ['another method', { 'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE' }],
    ['another path', { 'x-original-url': '/v1/admin/queues', 'x-rewrite-url': '/v1/admin/queues' }],
    ['more time', { 'x-deadline-ms': '999999999', 'x-timeout': '999999' }],
    ['a trace of 7 KB', { traceparent: 'a'.repeat(7_000), tracestate: 'b=1,'.repeat(100) }],
    ['an id of 7 KB', { 'x-request-id': 'r'.repeat(7_000) }],
  ])('changes nothing: %s', async (_, headers) => {
    const answer = await alice.request('GET', '/v1/conversations', undefined, headers);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-request-id')?.length).toBeLessThanOrEqual(128);
  });

  it('stays within the header that is sent back', async () => {
    const client = await RawClient.to(parley.url);
    client.writeHead('GET /livez HTTP/1.1', 'Host: parley', 'X-Request-Id: a%0d%0aSet-Cookie: x=1', 'Connection: close', '');
    expect(await client.read()).not.toMatch(/set-cookie/i);
    client.close();
  });

  it.each<[name: string, lines: readonly string[]]>([
    ['two lengths', ['Content-Length: 15', 'Content-Length: 3']],
    ['a length and chunks', ['Content-Length: 3', 'Transfer-Encoding: chunked']],
    ['two hosts', ['Host: elsewhere', 'Content-Length: 0']],
    ['a length that is no number', ['Content-Length: 0x10']],
    ['a negative length', ['Content-Length: -1']],
    ['an unknown coding', ['Transfer-Encoding: identity, chunked, gzip']],
    ['a folded header', ['X-A: 1', ' Transfer-Encoding: chunked', 'Content-Length: 15']],
  ])('is refused when two readers could read it in two ways: %s', async (_, lines) => {
    const client = await RawClient.to(parley.url);
    client.writeHead(
      `POST ${path} HTTP/1.1`,
      'Host: parley',
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
      ...lines,
      '',
      '{"content":"x"}',
    );
    await client.read();
    expect(client.status).toBeGreaterThanOrEqual(400);
    expect(client.status).toBeLessThan(500);
    client.close();
  });
});
