import { Redis } from 'ioredis';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { eventually } from '#lib/testing/eventually';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

// Families S1 (objects of others), S7 (functions of others) and S24 (learning that something exists).

let parley: RunningParley;
let owner: ParleyClient;
let stranger: ParleyClient;
let removed: ParleyClient;
let conversationId: string;
let messageId: string;

beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  [owner, stranger, removed] = await Promise.all([parley.client('owner'), parley.client('stranger'), parley.client('removed')]);
  conversationId = (await owner.createConversation({ memberIds: ['removed'] })).id;
  messageId = (await owner.send(conversationId, 'a secret about the coffee machine')).id;
  await owner.request('DELETE', `/v1/conversations/${conversationId}/members/removed`);
});
afterAll(() => parley.stop());

/** A valid request to each route that names an object. A route of the OpenAPI document that is missing here fails the first test. */
const bodies: Readonly<Record<string, unknown>> = {
  'GET /v1/conversations/{conversationId}': undefined,
  'PUT /v1/conversations/{conversationId}/members/{userId}': undefined,
  'DELETE /v1/conversations/{conversationId}/members/{userId}': undefined,
  'PUT /v1/conversations/{conversationId}/receipts': { readSeq: 1 },
  'POST /v1/conversations/{conversationId}/messages': { content: 'let me in' },
  'GET /v1/conversations/{conversationId}/messages': undefined,
  'POST /v1/conversations/{conversationId}/context': { query: 'secret', maxTokens: 100 },
  'POST /v1/friendship_status/calculate-score/{conversationId}': undefined,
  'GET /v1/messages/{messageId}': undefined,
  'PATCH /v1/messages/{messageId}': { content: 'mine now' },
  'DELETE /v1/messages/{messageId}': undefined,
};

const routes = Object.keys(bodies);
const ask = (client: ParleyClient, route: string, ids: { conversationId: string; messageId: string }) => {
  const [method = '', template = ''] = route.split(' ');
  const path = template
    .replace('{conversationId}', ids.conversationId)
    .replace('{messageId}', ids.messageId)
    .replace('{userId}', 'stranger');
  return client.request(method, path, bodies[route]);
};

it('the list of routes has every one that names a conversation or a message', async () => {
  const { paths } = (await stranger.request('GET', '/openapi.json')).body as { paths: Record<string, Record<string, unknown>> };
  const named = Object.entries(paths).flatMap(([path, methods]) =>
    /\{(conversationId|messageId)\}/.test(path) ? Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`) : [],
  );
  expect(named.sort()).toEqual(routes.toSorted());
});

describe.each([
  ['a stranger', () => stranger],
  ['a member who was removed', () => removed],
])('%s', (_, who) => {
  it.each(routes)('gets on %s the answer of something that does not exist', async (route) => {
    const theirs = await ask(who(), route, { conversationId, messageId });
    const none = await ask(who(), route, { conversationId: newId(), messageId: newId() });
    expect(theirs.status).toBe(404);
    const saying = ({ body }: { body: unknown }) => {
      const { instance: _instance, requestId: _requestId, ...rest } = body as Record<string, unknown>;
      return rest;
    };
    expect(saying(theirs)).toEqual(saying(none));
    const names = (headers: Headers) => [...headers.keys()].sort();
    expect(names(theirs.headers)).toEqual(names(none.headers));
  });

  it('finds nothing of it, however the search is worded', async () => {
    const attempts = [
      'q=secret',
      `q=secret&conversationId=${conversationId}`,
      'q=secret&senderId=owner',
      'q=secret&mode=dense',
      'q=secret&mode=sparse',
      'q=sekret&mode=sparse',
      `q=${encodeURIComponent(`secret' OR conversation_id='${conversationId}`)}`,
      `q=${encodeURIComponent('{"$or":[{"conversationId":{"$ne":""}}]}')}`,
      `q=secret&where=${encodeURIComponent('{"conversationId":{"$ne":""}}')}`,
    ];
    for (const attempt of attempts) {
      const answer = await who().request('GET', `/v1/search?${attempt}`);
      expect([200, 400, 404]).toContain(answer.status);
      expect(JSON.stringify(answer.body)).not.toContain('coffee machine');
    }
  });

  it('changes nothing', async () => {
    expect((await owner.message(messageId)).content).toBe('a secret about the coffee machine');
    expect((await owner.messages(conversationId)).headSeq).toBe(1);
  });
});

describe('the tools of agents', () => {
  const rpc = async (client: ParleyClient, method: string, params: object) => {
    const message = { jsonrpc: '2.0', id: 1, method, params };
    const answer = await client.request('POST', '/mcp', message, { accept: 'application/json, text/event-stream' });
    return (answer.body as { result: Record<string, unknown> }).result;
  };
  /** Valid arguments of each tool that takes a conversation. A tool of `tools/list` that is missing here fails the test. */
  const given: Readonly<Record<string, object>> = {
    search_messages: { q: 'secret coffee machine' },
    get_context: { query: 'secret', maxTokens: 100 },
    read_messages: {},
    send_message: { content: 'let me in', clientMessageId: 'in' },
  };
  /** What an answer says but for the ids of the request. */
  const saying = (answer: object) => JSON.stringify(answer).replaceAll(/[0-9a-f-]{36}/g, 'id');

  it('answer a stranger and a removed member about a conversation of others what they answer about none', async () => {
    const { tools } = (await rpc(stranger, 'tools/list', {})) as { tools: { name: string; inputSchema: { properties: object } }[] };
    const named = tools.filter(({ inputSchema }) => 'conversationId' in inputSchema.properties).map(({ name }) => name);
    expect(named.sort()).toEqual(Object.keys(given).sort());
    for (const client of [stranger, removed]) {
      for (const [name, rest] of Object.entries(given)) {
        const ask = (id: string) => rpc(client, 'tools/call', { name, arguments: { conversationId: id, ...rest } });
        const theirs = await ask(conversationId);
        expect({ name, ...theirs }).toMatchObject({ name, isError: true, _meta: { 'parley/problem': { code: 'not-found' } } });
        expect(saying({ name, ...theirs })).toBe(saying({ name, ...(await ask(newId())) }));
      }
      for (const name of ['list_conversations', 'search_messages']) {
        const all = await rpc(client, 'tools/call', { name, arguments: name === 'list_conversations' ? {} : given[name] });
        expect({ name, ...all }).toMatchObject({ name, structuredContent: { items: [] } });
        expect(JSON.stringify(all)).not.toContain('coffee machine');
      }
    }
    expect((await owner.messages(conversationId)).headSeq).toBe(1);
  });
});

describe('a document of others', () => {
  const upload = (client: ParleyClient, to: string) =>
    client.request('POST', '/v1/documents', { conversationId: to, title: 'Vault', content: 'the marmot guards the vault' });

  it('is not there for a stranger or a removed member, by id or by search, and neither is the conversation for theirs', async () => {
    const { id } = (await upload(owner, conversationId)).body as { id: string };
    await eventually(async () => expect((await owner.request('GET', `/v1/documents/${id}`)).body).toMatchObject({ state: 'done' }), {
      timeoutMs: 20_000,
    });
    expect((await owner.search({ q: 'marmot vault' })).items).toHaveLength(1);
    for (const client of [stranger, removed]) {
      expect(await client.request('GET', `/v1/documents/${id}`)).toMatchObject({ status: 404 });
      expect((await client.request('GET', `/v1/documents/${newId()}`)).status).toBe(404);
      for (const mode of ['hybrid', 'dense', 'sparse'] as const) {
        expect((await client.search({ q: 'marmot vault', mode })).items).toEqual([]);
      }
      expect([(await upload(client, conversationId)).status, (await upload(client, newId())).status]).toEqual([404, 404]);
    }
  });
});

describe('the devices of a user', () => {
  const registered = async () => {
    const client = new Client({ connectionString: parley.databaseUrl });
    await client.connect();
    try {
      return (await client.query<{ device: string }>(`SELECT user_id || '/' || id || ' ' || token AS device FROM devices ORDER BY 1`)).rows;
    } finally {
      await client.end();
    }
  };

  it('are neither changed nor removed by another who knows their names, and no answer says that they are there', async () => {
    const of = (token: string) => ({ provider: 'fcm', token });
    await owner.request('PUT', '/v1/devices/phone', of('token-of-owner'));
    const answers = [
      await stranger.request('DELETE', '/v1/devices/phone'),
      await stranger.request('DELETE', '/v1/devices/no-such-device'),
      await stranger.request('PUT', '/v1/devices/phone', of('token-of-stranger')),
      await stranger.request('PUT', '/v1/devices/phone', { ...of('another'), userId: 'owner' }),
      await stranger.request('PUT', '/v1/devices/owner%2Fphone', of('another')),
    ];
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204, 400, 400]);
    expect(await registered()).toEqual([{ device: 'owner/phone token-of-owner' }, { device: 'stranger/phone token-of-stranger' }]);
  });
});

describe('the activities of a user', () => {
  it('are suggested to the user only, and a stranger learns nothing by asking', async () => {
    const ask = async (client: ParleyClient, userId: string) => {
      const { status, body } = await client.request('POST', '/v1/activities/suggest', { userId });
      const { code, detail } = body as { code?: string; detail?: string };
      return { status, code, detail };
    };
    expect(await ask(owner, 'owner')).toMatchObject({ status: 200 });
    const theirs = await ask(stranger, 'owner');
    expect(theirs).toMatchObject({ status: 404, code: 'not-found' });
    expect(theirs).toEqual(await ask(stranger, 'no-such-user'));
  });
});

describe('the score and the jobs of a user', () => {
  it('are for a stranger, an operator among them, like those of a user who does not exist', async () => {
    const started = await owner.request('POST', '/v1/friendship_status/calculate-score-and-update', { conversationId });
    expect(started.status).toBe(202);
    const { jobId } = started.body as { jobId: string };
    const operator = await parley.client('operator', ['admin']);
    const saying = async (client: ParleyClient, method: string, path: string, body?: unknown) => {
      const answer = await client.request(method, path, body);
      const { instance: _instance, requestId: _requestId, ...rest } = answer.body as Record<string, unknown>;
      return rest;
    };
    for (const client of [stranger, removed, operator]) {
      for (const page of ['', '/history']) {
        const theirs = await saying(client, 'GET', `/v1/friendship_status/owner${page}`);
        expect(theirs).toMatchObject({ status: 404 });
        expect(theirs).toEqual(await saying(client, 'GET', `/v1/friendship_status/no-such-user${page}`));
      }
      const update = (about: object) => saying(client, 'POST', '/v1/friendship_status/calculate-score-and-update', about);
      expect(await update({ conversationId })).toMatchObject({ status: 404 });
      expect(await update({ conversationId })).toEqual(await update({ conversationId: newId() }));
      expect(await update({ conversationId, userId: 'owner' })).toMatchObject({ status: 404 });
    }
    for (const client of [stranger, removed]) {
      expect(await saying(client, 'GET', `/v1/jobs/${jobId}`)).toEqual(await saying(client, 'GET', `/v1/jobs/${newId()}`));
    }
    expect((await operator.request('GET', `/v1/jobs/${jobId}`)).status).toBe(200);
  });
});

describe('the presence of a user', () => {
  it('is shown to a stranger, and to a member who was removed, like that of a user who does not exist', async () => {
    // Put there as a realtime process does, so that there is something to learn.
    const redis = new Redis(inject('stack').redisUrl);
    try {
      const prefix = 'parley:live:presence';
      await redis.zadd(`${prefix}:processes`, Date.now() + 60_000, 'of-this-test');
      await redis.hset(`${prefix}:user:owner`, 'of-this-test', 1);
      await redis.set(`${prefix}:seen:owner`, 1, 'PX', 60_000);
      const items = async (client: ParleyClient) => (await client.request('GET', '/v1/presence?userIds=owner,no-such-user')).body;
      const unknown = (userId: string) => ({ userId, online: false, lastSeenAt: null });

      expect(await items(owner)).toEqual({
        items: [{ userId: 'owner', online: true, lastSeenAt: expect.any(String) }, unknown('no-such-user')],
      });
      for (const who of [stranger, removed]) expect(await items(who)).toEqual({ items: [unknown('owner'), unknown('no-such-user')] });
    } finally {
      await redis.del('parley:live:presence:user:owner', 'parley:live:presence:seen:owner');
      await redis.zrem('parley:live:presence:processes', 'of-this-test');
      redis.disconnect();
    }
  });
});

describe('a user without the scope admin', () => {
  it('is refused on every admin route before the route does anything', async () => {
    const { paths } = (await stranger.request('GET', '/openapi.json')).body as { paths: Record<string, Record<string, unknown>> };
    const admin = Object.entries(paths).filter(([path]) => path.startsWith('/v1/admin/'));
    expect(admin.length).toBeGreaterThan(5);
    for (const [path, methods] of admin) {
      for (const method of Object.keys(methods)) {
        const answer = await stranger.request(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x'), method === 'get' ? undefined : {});
        expect(answer, `${method} ${path}`).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      }
    }
  });

  it.each(['Admin', 'admin,service', 'administrator', 'user:admin'])('does not become one by the scope "%s"', async (scope) => {
    const token = await parley.tokenOf({ user: 'stranger', scopes: [scope as 'admin'] });
    const answer = await stranger.request('GET', '/v1/admin/queues', undefined, { authorization: `Bearer ${token}` });
    expect(answer.status).toBe(403);
  });
});

it('the gateway answers a stranger as quickly about what exists as about what does not', async () => {
  const timeOf = async (id: string) => {
    const startedAt = performance.now();
    await stranger.request('GET', `/v1/messages/${id}`);
    return performance.now() - startedAt;
  };
  // One beside the other, so that a machine that is busy for a while is busy for both.
  const differences: number[] = [];
  for (let i = 0; i < 41; i += 1) {
    const none = await timeOf(newId());
    differences.push((await timeOf(messageId)) - none);
  }
  const median = differences.sort((one, other) => one - other)[20] ?? Number.NaN;
  // One index lookup more is some 10 microseconds.
  expect(Math.abs(median)).toBeLessThan(10);
});
