import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SuggestionView } from '#lib/contracts/activities';
import { mintToken } from '#lib/devstack/mint-token';
import { DependencyError } from '#lib/resilience/call/errors';
import { createLogger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { MemoryFriendshipStore } from '#lib/scores/friendship/adapters/memory-friendship-store';
import { anEndScore } from '#lib/scores/friendship/builders.contract';
import type { FriendshipStatus } from '#lib/scores/friendship/friendship';
import { FriendshipStorePort } from '#lib/scores/friendship/friendship-store.port';
import { MemoryCatalogue } from '../adapters/activities/memory-catalogue.js';
import { bootGateway, closeGateways, SECRET } from '../memory-gateway.contract.js';
import { CurrentCatalogue } from './current-catalogue.js';
import { SuggestActivities } from './suggest-activities.js';

/** Answers as it is told to. */
class FailingFriendships extends MemoryFriendshipStore {
  constructor(private readonly answer: () => Promise<FriendshipStatus>) {
    super();
  }

  override find(): Promise<FriendshipStatus> {
    return this.answer();
  }
}

const alice = { userId: 'alice', isService: false };
const readCatalogue = async (): Promise<CurrentCatalogue> => {
  const catalogue = new CurrentCatalogue(new MemoryCatalogue(), createLogger('test', 'silent'));
  await catalogue.refresh();
  return catalogue;
};
const suggestionWhen = async (answer: () => Promise<FriendshipStatus>) => {
  const suggest = new SuggestActivities(new FailingFriendships(answer), await readCatalogue());
  return suggest.execute(alice, { userId: 'alice', language: 'en' });
};
const fallbacks = async (): Promise<number> =>
  (await metrics.fallback.get()).values.find(({ labels }) => labels['operation'] === 'suggest')?.value ?? 0;

describe('a suggestion', () => {
  it.each(['unavailable', 'open', 'overloaded', 'timeout'] as const)('is what a new user gets when Postgres is %s', async (kind) => {
    const before = await fallbacks();
    const suggestion = await suggestionWhen(() => Promise.reject(new DependencyError('postgres', 'reads', kind)));
    expect(suggestion).toMatchObject({ level: 'stranger', degraded: true, candidates: [{}, {}, {}] });
    expect(await fallbacks()).toBe(before + 1);
  });

  it('waits a second for Postgres, and lets the read go on', async () => {
    vi.useFakeTimers();
    try {
      const { promise: read, reject } = Promise.withResolvers<FriendshipStatus>();
      const suggestion = suggestionWhen(() => read);
      await vi.advanceTimersByTimeAsync(1_000);
      expect((await suggestion).degraded).toBe(true);
      reject(new DependencyError('postgres', 'reads', 'timeout')); // must not end the process
      await vi.advanceTimersByTimeAsync(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it('says that it is degraded when the catalogue of the operators was never read', async () => {
    const suggest = new SuggestActivities(
      new MemoryFriendshipStore(),
      new CurrentCatalogue(new MemoryCatalogue(), createLogger('test', 'silent')),
    );
    expect((await suggest.execute(alice, { userId: 'alice', language: 'en' })).degraded).toBe(true);
  });

  it('hides no mistake of ours behind the answer for a new user', async () => {
    await expect(suggestionWhen(() => Promise.reject(new TypeError('a bug')))).rejects.toThrow('a bug');
  });
});

describe('POST /v1/activities/suggest', () => {
  let gateway: NestFastifyApplication;
  let friendships: MemoryFriendshipStore;
  beforeEach(async () => {
    gateway = await bootGateway();
    friendships = gateway.get<MemoryFriendshipStore>(FriendshipStorePort, { strict: false });
    for (let i = 0; i < 10; i += 1) await friendships.apply(anEndScore({ endId: `end-${i}`, worth: 18, topics: ['food'] }), 'unscored');
  });
  afterEach(closeGateways);
  const ask = async (json: unknown, { user = 'alice', scopes = [] }: { user?: string; scopes?: readonly 'service'[] } = {}) => {
    const headers = { authorization: `Bearer ${await mintToken(SECRET, { user, scopes })}`, 'content-type': 'application/json' };
    const answer = await gateway
      .getHttpAdapter()
      .getInstance()
      .inject({ method: 'POST', url: '/v1/activities/suggest', headers, payload: JSON.stringify(json) });
    return { status: answer.statusCode, body: JSON.parse(answer.body) as Record<string, unknown> };
  };

  it('answers for the caller, by what is known of it', async () => {
    const { status, body } = await ask({ userId: 'alice' });
    expect(status).toBe(200);
    expect(SuggestionView.parse(body)).toMatchObject({
      userId: 'alice',
      level: 'acquaintance',
      candidates: [{ topic: 'food', reason: expect.stringContaining('You talked about food in 10 conversations') }, {}, {}],
      review: { agentId: 'last-time' },
      wrapUp: { agentId: 'see-you-soon' },
      backups: [{ agentId: 'easy-chat' }],
      degraded: false,
    });
  });

  it('answers a new user as a stranger and stores nothing', async () => {
    const { status, body } = await ask({ userId: 'bob', language: 'vi' }, { user: 'bob' });
    expect([status, body['level'], body['greeting'], body['degraded']]).toEqual([
      200,
      'stranger',
      'Xin chào! Hôm nay bạn muốn làm gì?',
      false,
    ]);
    expect([...friendships.statuses.keys()]).toEqual(['alice']);
  });

  it('answers for another user only to a service', async () => {
    expect(await ask({ userId: 'alice' }, { user: 'mallory' })).toMatchObject({ status: 404, body: { code: 'not-found' } });
    expect(await ask({ userId: 'alice' }, { user: 'robot', scopes: ['service'] })).toMatchObject({
      status: 200,
      body: { userId: 'alice', level: 'acquaintance' },
    });
  });

  it.each<[string, unknown, string]>([
    ['no user', {}, '/userId'],
    ['a user with other characters', { userId: 'a b' }, '/userId'],
    ['another language', { userId: 'alice', language: 'de' }, '/language'],
    ['another field', { userId: 'alice', level: 'friend' }, '/level'],
  ])('refuses %s', async (_, json, pointer) => {
    expect(await ask(json)).toMatchObject({ status: 400, body: { code: 'validation', errors: [{ pointer }] } });
  });
});
