import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { MAX_LOG_ENTRIES } from '#lib/contracts/scores';
import { hostileTexts } from '#lib/testing/hostile-texts';
import type { ParleyClient } from '#lib/testing/parley-client';
import { AttackedParley } from './attacked-parley.js';

// Families S1 (objects of others), S5 (single bodies) and S17 at the end of a conversation, whose body may have 10 MB.

const PATH = '/v1/conversations/end';
const json = { 'content-type': 'application/json' };
const LIMIT = 10_485_760;

let attacked: AttackedParley;
let mallory: ParleyClient;
beforeAll(async () => {
  attacked = await AttackedParley.start({ stack: inject('stack') });
  mallory = await attacked.parley.client('mallory');
});
afterAll(() => attacked.stop());

const facts = { conversationId: 'robot-7', userId: 'mallory', startTime: '2026-01-31T09:00:00Z', endTime: '2026-01-31T09:30:00Z' };
const bodyOf = (contents: readonly string[], changes: object = {}): string =>
  JSON.stringify({ ...facts, conversationLog: contents.map((content) => ({ role: 'user', content })), ...changes });
/** As many entries of this text as fit into a body. */
const filledWith = (text: string, changes: object): string => {
  const content = text.repeat(Math.ceil(60_000 / text.length));
  const each = Buffer.byteLength(JSON.stringify({ role: 'user', content })) + 1;
  const contents = Array.from({ length: Math.floor((LIMIT - 1_000) / each) }, () => content);
  return bodyOf(contents, changes);
};
const end = (body: string | Buffer, client = mallory) => client.requestRaw('POST', PATH, body, json);
let attackers = 0;
/** Each has a quota of its own. */
const anAttacker = async () => {
  attackers += 1;
  const userId = `mallory-${attackers}`;
  return { userId, client: await attacked.parley.client(userId) };
};

describe('S5: a log that is dear to read', () => {
  it.each<[string, number, () => string | Buffer]>([
    ['one byte more than it may have', 413, () => Buffer.alloc(LIMIT + 1, 0x20)],
    ['one entry more than it may have', 400, () => bodyOf(Array.from({ length: MAX_LOG_ENTRIES + 1 }, () => 'a'))],
    ['a million entries', 400, () => `{"conversationLog":[${'{},'.repeat(999_999)}{}]}`],
    ['a depth of a million', 400, () => '['.repeat(1_000_000)],
    ['one string of 10 MB', 400, () => bodyOf(['x'.repeat(LIMIT - 1_000)])],
    ['keys that change objects', 400, () => bodyOf(['a'.repeat(20_000)]).replace('{', '{"__proto__":{"isAdmin":true},')],
    ['broken UTF-8', 400, () => Buffer.concat([Buffer.from('{"a":"'), Buffer.alloc(5_000_000, 0xff), Buffer.from('"}')])],
  ])('is refused: %s', async (_, status, body) => {
    const { client } = await anAttacker();
    expect((await end(body(), client)).status).toBe(status);
  });

  it('of 10 MB is read once or twice, and then its caller has to wait: eight of the worst texts, one after another', {
    timeout: 120_000,
  }, async () => {
    const [text = ''] = hostileTexts({ seed: 9 }).flatMap((hostile) => (hostile.isAccepted ? [hostile.text] : []));
    const { userId, client } = await anAttacker();
    const statuses: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      const { status } = await end(filledWith(text, { userId, conversationId: `robot-${i}` }), client);
      statuses.push(status);
    }
    expect(statuses[0]).not.toBe(429);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(4);
    const other = await anAttacker();
    expect((await end(bodyOf(['hi'], { userId: other.userId }), other.client)).status).toBe(202);
  });
});

describe('S1: the end of a conversation of others', () => {
  it('is as little there as one that does not exist, and nothing of it is stored', async () => {
    const owner = await attacked.parley.client('owner');
    const { id } = await owner.createConversation({ memberIds: [] });
    await owner.send(id, 'a secret about the coffee machine');
    const answers = [id, newId()].map((conversationId) => mallory.request('POST', PATH, { ...facts, conversationId }));
    const [foreign, unknown] = (await Promise.all(answers)).map(({ status, body }) => {
      const { code, detail } = body as { code: string; detail: string };
      return { status, code, detail };
    });
    expect(foreign).toEqual({ status: 404, code: 'not-found', detail: 'There is no such conversation.' });
    expect(unknown).toEqual(foreign);
    expect((await end(bodyOf(['hi'], { conversationId: id }))).status).toBe(404);
    expect((await end(bodyOf(['hi'], { userId: 'owner' }))).status).toBe(404);
  });
});
