import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { ScriptedFcm, UNREGISTERED } from '#lib/testing/scripted-fcm';
import { SocketClient } from '#lib/testing/socket-client';

/** Presence lies in a Redis that other tests use too: users of this one have names that no other has. */
const run = newId().slice(-12);
/** A push that waits for its provider is looked at again after 8 s. */
const AGAIN_MS = 20_000;

let fcm: ScriptedFcm;
let parley: RunningParley;
let alice: ParleyClient;
beforeAll(async () => {
  fcm = await ScriptedFcm.start();
  parley = await startParley({ stack: inject('stack'), env: { FCM_URL: fcm.url, FCM_SERVICE_ACCOUNT: fcm.serviceAccount } });
  alice = await parley.client(`alice-${run}`);
});
afterAll(async () => {
  await parley?.stop();
  await fcm?.stop();
});
afterEach(() => {
  fcm.answer = () => undefined;
});

/** A user with a device whose token is its name. */
const withDevice = async (name: string): Promise<ParleyClient> => {
  const client = await parley.client(`${name}-${run}`);
  const answer = await client.request('PUT', '/v1/devices/phone', { provider: 'fcm', token: name });
  expect(answer.status).toBe(204);
  return client;
};
const talkWith = async (...names: string[]) => (await alice.createConversation({ memberIds: names.map((name) => `${name}-${run}`) })).id;
const sentTo = (token: string) => fcm.sent.filter((message) => message.token === token);
const outcomes = async () => {
  const samples = await metricsOf(parley.delivery.url);
  return (outcome: string) =>
    [...samples]
      .filter(([name]) => name.startsWith('push_total') && name.includes(`"${outcome}"`))
      .reduce((sum, [, value]) => sum + value, 0);
};

/** What was due before is done when the push of a message that is sent now has come. */
const settled = async () => {
  const name = `marker-${newId()}`;
  await withDevice(name);
  await alice.send(await talkWith(name), 'a marker');
  await eventually(() => expect(sentTo(name)).toHaveLength(1), { timeoutMs: AGAIN_MS, what: 'the push of the marker is there' });
};

describe('a member with a device', () => {
  it('gets one push for a burst while it is offline, with the newest message', async () => {
    await withDevice('bob');
    const conversationId = await talkWith('bob');
    await Promise.all(Array.from({ length: 8 }, (_, i) => alice.send(conversationId, `message ${i}`)));
    const newest = (await alice.messages(conversationId)).items.at(-1);
    const push = {
      notification: { title: `alice-${run}`, body: newest?.content },
      data: { conversationId, messageId: newest?.id, seq: '8' },
      android: { collapse_key: conversationId },
    };
    await eventually(() => expect(sentTo('bob').at(-1)).toMatchObject(push), { timeoutMs: AGAIN_MS, what: 'the push is there' });
    await settled();
    // Two where the burst took longer than pushes are gathered, 0.5 s.
    expect(sentTo('bob').length).toBeLessThanOrEqual(2);
  });

  it('gets none while it is online, and neither does the sender', async () => {
    await withDevice('carol');
    await alice.request('PUT', '/v1/devices/phone', { provider: 'fcm', token: 'of-alice' });
    const conversationId = await talkWith('carol');
    const socket = await SocketClient.connect(parley.realtime.url, await parley.tokenOf({ user: `carol-${run}`, scopes: [] }));
    await alice.send(conversationId, 'are you there?');
    await settled();
    expect([sentTo('carol'), sentTo('of-alice')]).toEqual([[], []]);
    socket.socket.close();
    await socket.closed;
  });

  it('whose app was removed is forgotten', async () => {
    await withDevice('dave');
    const conversationId = await talkWith('dave');
    fcm.answer = ({ token }) => (token === 'dave' ? UNREGISTERED : undefined);
    await alice.send(conversationId, 'one');
    const registered = async () => {
      const client = new Client({ connectionString: parley.databaseUrl });
      await client.connect();
      try {
        return (await client.query('SELECT FROM devices WHERE token = $1', ['dave'])).rowCount;
      } finally {
        await client.end();
      }
    };
    await eventually(async () => expect(await registered()).toBe(0), { timeoutMs: AGAIN_MS, what: 'the device is gone' });
    await alice.send(conversationId, 'two');
    await settled();
    expect(fcm.asked.filter(({ token }) => token === 'dave')).toHaveLength(1);
  });
});

describe('while the provider is away', () => {
  it('pushes wait: they are sent once when it is back, but not what was read meanwhile, nor to who was removed', async () => {
    const names = ['erin', 'frank', 'grace'];
    const [erin] = await Promise.all(names.map((name) => withDevice(name)));
    const [read = '', left = '', kept = ''] = await Promise.all(names.map((name) => talkWith(name)));
    const before = await outcomes();
    fcm.answer = () => ({ status: 500, body: {} });
    await Promise.all([read, left, kept].map((conversationId) => alice.send(conversationId, 'can you hear me?')));
    const tried = () => new Set(fcm.asked.map(({ token }) => token));
    await eventually(() => expect([...tried()]).toEqual(expect.arrayContaining(names)), {
      timeoutMs: AGAIN_MS,
      what: 'all three were tried',
    });

    expect((await erin?.request('PUT', `/v1/conversations/${read}/receipts`, { readSeq: 1 }))?.status).toBe(204);
    await alice.request('DELETE', `/v1/conversations/${left}/members/frank-${run}`);
    fcm.answer = () => undefined;

    await eventually(() => expect(sentTo('grace')).toHaveLength(1), { timeoutMs: AGAIN_MS, what: 'the push that waited is sent' });
    await eventually(
      async () => {
        const after = await outcomes();
        expect(['read', 'no-member'].map((outcome) => after(outcome) - before(outcome))).toEqual([1, 1]);
      },
      { timeoutMs: AGAIN_MS, what: 'the other two are cancelled' },
    );
    await settled();
    expect([sentTo('erin'), sentTo('frank')]).toEqual([[], []]);
    expect(sentTo('grace')).toHaveLength(1);
  });

  it('messages are delivered as fast as ever, however long it hangs', async () => {
    await withDevice('heidi');
    const conversationId = await talkWith('heidi');
    fcm.answer = () => () => undefined;
    await alice.send(conversationId, 'the first');
    await eventually(() => expect(fcm.asked.map(({ token }) => token)).toContain('heidi'), { timeoutMs: AGAIN_MS, what: 'FCM hangs' });
    const startedAt = performance.now();
    const sent = await Promise.all(Array.from({ length: 20 }, (_, i) => alice.send(conversationId, `message ${i}`)));
    await eventually(
      async () => {
        const states = await Promise.all(sent.map(async ({ id }) => (await alice.message(id)).pipeline.delivery));
        expect(new Set(states)).toEqual(new Set(['done']));
      },
      { timeoutMs: 4_000, what: 'all are delivered while FCM hangs' },
    );
    expect(performance.now() - startedAt).toBeLessThan(5_000); // the shortest time for which FCM hangs
    expect(sentTo('heidi')).toEqual([]);
  });
});

it('no log has a token, a key or a text', async () => {
  const logs = (await Promise.all((['gateway', 'delivery'] as const).map((service) => parley.logOf(service)))).join('');
  expect(logs).toContain('"queue":"delivery.push"');
  for (const secret of ['of-alice', 'can you hear me', 'access-1', 'PRIVATE KEY']) expect(logs).not.toContain(secret);
});
