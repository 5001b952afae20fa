import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ChromaClient } from 'chromadb';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import { type ParleyClient, RefusedByParley } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { RawClient } from './raw-client.js';

// Families S10 (what is open by mistake), S19 (secrets), S23 (what is left of a deletion) and S24 (the words of others).

let parley: RunningParley;
let alice: ParleyClient;
let mallory: ParleyClient;
beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  [alice, mallory] = await Promise.all([parley.client('alice'), parley.client('mallory')]);
});
afterAll(() => parley.stop());

describe('S10: an answer to any caller', () => {
  it.each(['/v1/health', '/livez', '/readyz', '/metrics', '/openapi.json', '/asyncapi.json', '/docs', '/nope', '/v1/conversations'])(
    'holds no secret, no address and no stack: %s',
    async (path) => {
      const text = await (await fetch(parley.url + path, { signal: AbortSignal.timeout(5_000) })).text();
      for (const secret of secretsOf(parley)) expect(text).not.toContain(secret);
      expect(text).not.toMatch(/ at \S+ \(|node_modules|postgres:\/\/|amqp:\/\/|redis:\/\//);
    },
  );

  it.each(['TRACE', 'OPTIONS', 'PROPFIND', 'SEARCH'])('does not come for %s', async (method) => {
    const client = await RawClient.to(parley.url);
    client.writeHead(`${method} /v1/conversations HTTP/1.1`, 'Host: parley', 'X-Secret: do not echo', '');
    expect(await client.read()).not.toContain('do not echo');
    expect(client.status).toBeGreaterThanOrEqual(400);
    client.close();
  });

  it('allows no other site anything', async () => {
    const answer = await alice.request('GET', '/v1/conversations', undefined, { origin: 'https://evil.example' });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
  });

  it('is not taken for something else by a browser', async () => {
    const answer = await alice.request('GET', '/v1/conversations');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  });
});

describe('S19: a log', () => {
  it('holds no secret and no text of a message, also when everything fails', async () => {
    const { id } = await alice.createConversation({ memberIds: [] });
    const message = await alice.send(id, 'a very private sentence');
    await alice.search({ q: 'very private sentence' });
    await alice.request('POST', `/v1/conversations/${id}/messages`, { content: 'a very private sentence', nope: 1 });
    await alice.request('PATCH', `/v1/messages/${message.id}`, { content: 'a very private sentence\u0000' });
    await eventually(async () => expect((await alice.message(message.id)).pipeline.embedding).toBe('done'));
    const logs = (await Promise.all((['gateway', 'realtime', 'embedding', 'ops'] as const).map((service) => parley.logOf(service)))).join(
      '',
    );
    expect(logs).not.toContain('very private');
    for (const secret of secretsOf(parley)) expect(logs).not.toContain(secret);
  });

  it('holds no id of a user, nor do metrics', async () => {
    const printed = [...(await metricsOf(parley.url)).keys()].join('\n');
    expect(printed).not.toMatch(/alice|mallory/);
  });
});

describe('S23: a message that was deleted', () => {
  it('is gone from every answer at once, and from Chroma soon', async () => {
    const { id } = await alice.createConversation({ memberIds: [] });
    const message = await alice.send(id, 'the xylophone is under the bed');
    await eventually(async () => expect((await alice.message(message.id)).pipeline.embedding).toBe('done'));
    await alice.request('DELETE', `/v1/messages/${message.id}`);
    const seen = [
      await alice.request('GET', `/v1/messages/${message.id}`),
      await alice.request('GET', `/v1/conversations/${id}/messages`),
      await alice.request('GET', '/v1/conversations'),
      await alice.request('GET', '/v1/search?q=xylophone'),
      await alice.request('GET', '/v1/search?q=xylophone&mode=dense'),
      await alice.request('GET', '/v1/search?q=xylofone&mode=sparse'),
      await alice.request('POST', `/v1/conversations/${id}/context`, { query: 'xylophone', maxTokens: 1_000 }),
    ];
    expect(JSON.stringify(seen.map(({ body }) => body))).not.toContain('under the bed');
    await eventually(async () => expect(await chunksOf(message.id)).toBe(0), { what: 'Chroma holds nothing of it' });
  });
});

describe('S24: the words of others', () => {
  it.each(['that are there', 'that were deleted'])('cannot be asked for, not even words %s', async (what) => {
    // A word that one user wrote, and a decoy with one letter changed: a typo search that knows the word answers otherwise.
    const word = what === 'that are there' ? 'quokkavelvet' : 'wombatsaffron';
    const { id } = await alice.createConversation({ memberIds: [] });
    const message = await alice.send(id, `the code is ${word}`);
    await eventually(async () => expect((await alice.search({ q: word, mode: 'sparse' })).items).toHaveLength(1));
    await eventually(async () => expect((await alice.message(message.id)).pipeline.embedding).toBe('done'));
    if (what === 'that were deleted') await alice.request('DELETE', `/v1/messages/${message.id}`);
    const unknown = word.split('').reverse().join('');
    const own = await mallory.createConversation({ memberIds: [] });
    for (const written of [word, unknown]) await mallory.send(own.id, `${written.slice(0, -1)}x`);
    const found = async (q: string) => (await mallory.search({ q, mode: 'sparse' })).items.length;
    // Her own word is found for a word that no user wrote; so it must be for the one that another user wrote.
    await eventually(async () => expect(await found(unknown)).toBe(1));
    await eventually(async () => expect(await found(word)).toBe(1));
  });
});

it('S20: what is forbidden stays forbidden for a token that is no longer valid', async () => {
  const token = await parley.tokenOf({ user: 'alice', ttlSeconds: -1 });
  const attempt = mallory.request('GET', '/v1/admin/queues', undefined, { authorization: `Bearer ${token}` });
  await expect(attempt).resolves.toMatchObject({ status: 401 });
  await expect(mallory.createConversation({ memberIds: ['x'.repeat(65)] })).rejects.toThrow(RefusedByParley);
});

const secretsOf = ({ environment }: RunningParley): string[] => {
  const passwords = ['DATABASE_URL', 'RABBITMQ_URL', 'REDIS_URL', 'RABBITMQ_MANAGEMENT_URL'].map(
    (name) => new URL(environment[name] ?? 'none:').password,
  );
  return [environment['AUTH_JWT_SECRET'] ?? '', ...passwords].filter((secret) => secret !== '');
};

const chunksOf = async (messageId: string): Promise<number> => {
  const { hostname, port } = new URL(parley.chromaUrl);
  const chroma = new ChromaClient({ host: hostname, port: Number(port) });
  const collections = await chroma.listCollections();
  const counts = await Promise.all(
    collections.map(async (collection) => (await collection.get({ ids: [`${messageId}#chunk_0`], include: [] })).ids.length),
  );
  return counts.reduce((sum, count) => sum + count, 0);
};
