import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { mintToken } from '#lib/devstack/mint-token';
import { PresencePort } from '#lib/live/presence/presence.port';
import { DependencyError } from '#lib/resilience/call/errors';
import { bootGateway, closeGateways, SECRET } from '../memory-gateway.contract.js';

let gateway: NestFastifyApplication;
let presence: PresencePort;
beforeEach(async () => {
  gateway = await bootGateway();
  presence = gateway.get(PresencePort, { strict: false });
  const conversations = gateway.get(ConversationStorePort, { strict: false });
  await conversations.create({ title: null, creatorId: 'alice', memberIds: ['bob', 'carol'] });
  await conversations.create({ title: null, creatorId: 'mallory', memberIds: ['eve'] });
  for (const userId of ['alice', 'bob', 'mallory']) await presence.enter(userId, 's');
  await presence.leave('bob', 's');
  await presence.enter('bob', 't');
});
afterEach(closeGateways);

const ask = async (query: string, { user = 'alice', scopes = [] }: { user?: string; scopes?: readonly 'service'[] } = {}) => {
  const headers = { authorization: `Bearer ${await mintToken(SECRET, { user, scopes })}` };
  const answer = await gateway
    .getHttpAdapter()
    .getInstance()
    .inject({ method: 'GET', url: `/v1/presence${query}`, headers });
  return { status: answer.statusCode, body: JSON.parse(answer.body) as Record<string, unknown> };
};

describe('GET /v1/presence', () => {
  it('says who of those that share a conversation with the caller is online and was last seen, in the order of the question', async () => {
    expect(await ask('?userIds=carol,bob,alice,bob')).toEqual({
      status: 200,
      body: {
        items: [
          { userId: 'carol', online: false, lastSeenAt: null },
          { userId: 'bob', online: true, lastSeenAt: expect.stringMatching(/^\d{4}-.*Z$/) },
          { userId: 'alice', online: true, lastSeenAt: null },
        ],
      },
    });
  });

  it('shows a stranger like a user that does not exist', async () => {
    const { body } = await ask('?userIds=mallory,unknown,bob', { user: 'eve' });
    expect(body['items']).toEqual([
      { userId: 'mallory', online: true, lastSeenAt: null },
      { userId: 'unknown', online: false, lastSeenAt: null },
      { userId: 'bob', online: false, lastSeenAt: null },
    ]);
  });

  it('shows everyone to a token with the scope service', async () => {
    const { body } = await ask('?userIds=alice,mallory', { user: 'a-service', scopes: ['service'] });
    expect(body['items']).toMatchObject([{ online: true }, { online: true }]);
  });

  it.each([
    ['no ids', ''],
    ['an empty list', '?userIds='],
    ['an empty id', '?userIds=alice,,bob'],
    ['an id with other characters', '?userIds=alice,b%20b'],
    ['an id that is too long', `?userIds=${'x'.repeat(65)}`],
    ['101 ids', `?userIds=${Array.from({ length: 101 }, (_, i) => i).join(',')}`],
    ['the parameter twice', '?userIds=alice&userIds=bob'],
    ['another parameter', '?userIds=alice&deep=1'],
  ])('refuses %s', async (_, query) => {
    expect(await ask(query)).toMatchObject({ status: 400, body: { code: 'validation' } });
  });

  it('takes 100 ids of 64 characters', async () => {
    const ids = Array.from({ length: 100 }, (_, i) => `${i}`.padStart(64, 'x'));
    const { status, body } = await ask(`?userIds=${ids.join(',')}`);
    expect([status, (body['items'] as unknown[]).length]).toEqual([200, 100]);
  });

  it('says that it cannot know while Redis is away', async () => {
    presence.of = () => Promise.reject(new DependencyError('redis', 'presence', 'unavailable'));
    expect(await ask('?userIds=bob')).toMatchObject({ status: 503, body: { code: 'dependency-unavailable' } });
  });
});
