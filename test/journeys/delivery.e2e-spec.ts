import { connect } from 'amqplib';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { EVENTS_EXCHANGE } from '#lib/contracts/pipeline';
import { newId } from '#lib/contracts/ids';
import { RedisSubscription, SUBSCRIBER } from '#lib/live/fan-out/adapters/redis-subscription';
import { connectRedis } from '#lib/resilience/adapters/redis-connection';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import { Heard } from '#lib/testing/heard-signals';
import { metricsOf } from '#lib/testing/metrics-of';
import type { ParleyClient } from '#lib/testing/parley-client';
import { isEmbedded, type RunningParley, startParley } from '#lib/testing/running-parley';

/** Signals travel through a Redis that other tests use too: users of this one have names that no other has. */
const run = newId().slice(-12);
const alice = `alice-${run}`;
const QUEUE = 'delivery.messages';
const POISON = 'this message cannot be recorded';

let parley: RunningParley;
let client: ParleyClient;
let subscription: RedisSubscription;
let heard: Heard;
beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  client = await parley.client(alice);
  if (isEmbedded) return; // signals stay inside of the process
  const redis = connectRedis(inject('stack').redisUrl, 'parley-test-follower', () => undefined, SUBSCRIBER);
  subscription = new RedisSubscription(redis, createLogger('test', 'silent'));
  heard = new Heard();
  subscription.listen(heard);
  await eventually(() => mustBeLive(subscription), { timeoutMs: 12_000, what: 'a live subscription' });
});
afterAll(async () => {
  subscription?.stop();
  await parley?.stop();
});

const mustBeLive = ({ isLive }: RedisSubscription): void => {
  if (!isLive) throw new Error('signals do not arrive yet');
};
const messagesHeard = (conversationId: string) =>
  heard.ofConversation(conversationId).flatMap((signal) => (signal.type === 'message' ? [signal] : []));
const deadLetterCount = async () => {
  const samples = await metricsOf(parley.delivery.url);
  return [...samples].filter(([name]) => name.startsWith(`dead_letter_total{queue="${QUEUE}"`)).reduce((sum, [, value]) => sum + value, 0);
};
const deliveryOf = async (conversationId: string) =>
  (await client.messages(conversationId, { limit: 200 })).items.map(({ pipeline }) => pipeline.delivery);
const asOwner = async (statement: string) => {
  const owner = new Client({ connectionString: parley.databaseUrl, query_timeout: 10_000 });
  await owner.connect();
  try {
    await owner.query(statement);
  } finally {
    await owner.end();
  }
};

describe.skipIf(isEmbedded)('the sockets of members', () => {
  it('are told of messages, members and receipts as they are committed, and pipeline.delivery turns done', async () => {
    const { id } = await client.createConversation({ memberIds: [`bob-${run}`] });
    await subscription.follow({ conversations: [id], users: [`carol-${run}`, alice] });
    const sent = await client.send(id, 'Xin chào');
    // Members at the time when the creation is handled are told of it: carol comes later.
    await eventually(() => expect(messagesHeard(id).map(({ change }) => change)).toEqual(['created']));
    await client.request('PUT', `/v1/conversations/${id}/members/carol-${run}`);
    await client.request('PATCH', `/v1/messages/${sent.id}`, { content: 'Chào buổi sáng' });
    const bob = await parley.client(`bob-${run}`);
    expect((await bob.request('PUT', `/v1/conversations/${id}/receipts`, { readSeq: 1 })).status).toBe(204);
    await client.request('DELETE', `/v1/conversations/${id}/members/carol-${run}`);
    await client.request('DELETE', `/v1/messages/${sent.id}`);
    const kept = await client.send(id, 'a message that stays');

    await eventually(() =>
      expect(new Set(messagesHeard(id).map(({ change }) => change))).toEqual(new Set(['created', 'edited', 'deleted'])),
    );
    await eventually(() => {
      const signals = heard.ofConversation(id);
      expect(signals).toContainEqual({ type: 'receipt', userId: `bob-${run}`, deliveredSeq: 1, readSeq: 1 });
      expect(signals).toContainEqual({ type: 'members', membersVersion: 2 });
      expect(heard.ofUser(`carol-${run}`)).toMatchObject([{ type: 'joined', conversationId: id, headSeq: 1 }]);
      const indexed = heard.ofUser(alice).flatMap((signal) => (signal.type === 'frame' ? [signal.frame] : []));
      expect(indexed.join()).toContain(kept.id);
    });
    await eventually(async () => expect(await deliveryOf(id)).toEqual(['done', 'done']));
  });

  it('miss nothing when delivery is killed in the middle of its work, and nothing becomes a dead letter', async () => {
    const memberIds = Array.from({ length: 1_000 }, (_, i) => `member-${i}-${run}`);
    await subscription.follow({ users: memberIds });
    const { id } = await client.createConversation({ memberIds });
    await subscription.follow({ conversations: [id] });
    await eventually(() => expect(heard.users.has(memberIds[0] ?? '')).toBe(true), { everyMs: 1, what: 'the first member is told' });
    await parley.delivery.kill();

    // Killed again while it works off what came meanwhile.
    const send = (from: number, count: number) =>
      Promise.all(Array.from({ length: count }, (_, i) => client.send(id, `message ${from + i}`)));
    await send(0, 100);
    await parley.delivery.start();
    await eventually(() => expect(messagesHeard(id)).not.toEqual([]), {
      timeoutMs: 30_000,
      everyMs: 1,
      what: 'the first signal after the kill',
    });
    const more = send(100, 100);
    await parley.delivery.kill();
    await more;
    await parley.delivery.start();

    await eventually(async () => expect(new Set(await deliveryOf(id))).toEqual(new Set(['done'])), { timeoutMs: 30_000 });
    expect(new Set(messagesHeard(id).map(({ seq }) => seq)).size).toBe(200);
    expect(memberIds.filter((member) => heard.ofUser(member).length === 0)).toEqual([]);
    expect(await deadLetterCount()).toBe(0);
  });

  it('hear nothing of an event that is forged', async () => {
    const { id } = await client.createConversation({ memberIds: [] });
    await subscription.follow({ conversations: [id] });
    const forged = aMessageCreated({ conversationId: id, content: 'forged' });
    const connection = await connect(parley.rabbitmqUrl, { timeout: 5_000 });
    const channel = await connection.createConfirmChannel();
    const properties = { messageId: forged.eventId, type: forged.type, contentType: 'application/json', persistent: true };
    channel.publish(EVENTS_EXCHANGE, forged.type, Buffer.from(JSON.stringify(forged)), properties);
    await channel.waitForConfirms();
    await connection.close();
    await client.send(id, 'real');
    await eventually(() => expect(messagesHeard(id)).toHaveLength(1));
    expect(JSON.stringify(heard.ofConversation(id))).not.toContain('forged');
  });
});

it('a message whose delivery fails three times is a dead letter with its reason, hurts no neighbour, and is done when it is replayed', async () => {
  await asOwner(`
    CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.state = 'delivered' AND EXISTS (SELECT FROM messages WHERE id = NEW.message_id AND content = '${POISON}') THEN
        RAISE EXCEPTION 'poison';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER refuse_poison BEFORE INSERT ON message_deliveries FOR EACH ROW EXECUTE FUNCTION refuse_poison()`);
  const { id } = await client.createConversation({ memberIds: [] });
  const sent = await Promise.all(
    Array.from({ length: 20 }, (_, i) => client.send(id, i === 10 ? POISON : `a harmless message, number ${i}`)),
  );
  const poison = sent.find(({ content }) => content === POISON);
  const expected = (state: string) => sent.map((message) => (message.id === poison?.id ? state : 'done'));
  const states = async () => {
    const byId = new Map((await client.messages(id, { limit: 200 })).items.map((message) => [message.id, message.pipeline.delivery]));
    return sent.map((message) => byId.get(message.id));
  };
  await eventually(async () => expect(await states()).toEqual(expected('failed')), { timeoutMs: 25_000, what: 'the poison has failed' });

  const admin = await parley.client(`admin-${run}`, ['admin']);
  const letters = (await admin.request('GET', `/v1/admin/dead-letters?queue=${QUEUE}`)).body;
  expect(letters).toMatchObject({
    items: [{ queue: QUEUE, type: 'message.created', conversationId: id, attempts: 3, error: expect.stringContaining('poison') }],
  });
  await asOwner('DROP TRIGGER refuse_poison ON message_deliveries');
  expect((await admin.request('POST', '/v1/admin/dead-letters/replay', { queue: QUEUE, all: true })).status).toBe(200);
  await eventually(async () => expect(await states()).toEqual(expected('done')), { timeoutMs: 15_000 });
});
