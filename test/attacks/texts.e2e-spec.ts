import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { hostileTexts } from '#lib/testing/hostile-texts';
import type { Answer, ParleyClient } from '#lib/testing/parley-client';
import { AttackedParley } from './attacked-parley.js';

// Law 9 for texts: whatever four users within their quota send, search, edit, list and put into context windows costs only themselves.

const SEED = 20_261_121;
const ATTACK_MS = 6_000;
/** A user's writes and reads have a quota each (5/s, R020): what lies beyond is refused, and to ask for more is part of the attack. */
const PAUSE_MS = 150;

const texts = hostileTexts({ seed: SEED });
const accepted = texts.filter(({ isAccepted }) => isAccepted);
const refused = texts.filter(({ isAccepted }) => !isAccepted);
const queries = hostileTexts({ seed: SEED, length: 1_000 }).filter(({ isAccepted }) => isAccepted);

let attacked: AttackedParley;
let conversationId: string;
let attackers: ParleyClient[];
/** What the attackers wrote before anything is measured: every kind of text, as long as a message may be. */
let messageIds: string[];

beforeAll(async () => {
  attacked = await AttackedParley.start({ stack: inject('stack') });
  conversationId = await attacked.conversationWith(
    'mallory',
    accepted.map(({ text }) => text),
  );
  attackers = await Promise.all([0, 1, 2, 3].map((i) => attacked.parley.client(`mallory-member-${i}`)));
  const mallory = await attacked.parley.client('mallory');
  const { items } = await mallory.messages(conversationId, { limit: 200 });
  messageIds = items.map(({ id }) => id);
  // The vocabulary of the token counter is loaded once per process, and takes its memory then.
  await mallory.request('POST', `/v1/conversations/${conversationId}/context`, { query: 'coffee', maxTokens: 100 });
}, 120_000);
afterAll(() => attacked.stop());

const at = <T>(list: readonly T[], index: number): T => {
  const item = list[index % list.length];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
};

const attacks: Readonly<Record<string, (client: ParleyClient, round: number) => Promise<Answer>>> = {
  'sent as messages': (client, round) =>
    client.request('POST', `/v1/conversations/${conversationId}/messages`, { content: at(accepted, round).text }),
  'put into edits': (client, round) =>
    client.request('PATCH', `/v1/messages/${at(messageIds, round)}`, { content: at(accepted, round).text }),
  listed: (client) => client.request('GET', `/v1/conversations/${conversationId}/messages?limit=200`),
  'searched by meaning and reranked': (client, round) =>
    client.request('GET', `/v1/search?mode=dense&limit=50&rerank=true&q=${encodeURIComponent(at(queries, round).text)}`),
  'searched by words': (client, round) =>
    client.request('GET', `/v1/search?mode=sparse&limit=50&rerank=true&q=${encodeURIComponent(at(queries, round).text)}`),
  'searched by a letter that all of them have': (client) => client.request('GET', '/v1/search?limit=50&rerank=true&q=a'),
  'put into context windows': (client, round) =>
    client.request('POST', `/v1/conversations/${conversationId}/context`, {
      query: at(queries, round).text,
      maxTokens: 200_000,
      recent: 200,
      semanticK: 50,
    }),
};

const keepDoing = async (client: ParleyClient, attack: (client: ParleyClient, round: number) => Promise<Answer>, seen: Set<number>) => {
  const endsAt = performance.now() + ATTACK_MS;
  const asking: Promise<unknown>[] = [];
  for (let round = 0; performance.now() < endsAt; round += 1) {
    // Not one after another: a caller that does not wait asks again.
    asking.push(attack(client, round).then(({ status }) => seen.add(status)));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  await Promise.all(asking);
};

describe('the worst text that is accepted costs others nothing', () => {
  it.each(Object.entries(attacks))('%s', async (_, attack) => {
    const statuses = new Set<number>();
    const complaints = await attacked.brokenBy(() => Promise.all(attackers.map((client) => keepDoing(client, attack, statuses))));
    expect(complaints).toEqual([]);
    // The attack took place, and nothing broke on our side.
    expect([...statuses].some((status) => status < 300)).toBe(true);
    expect([...statuses].filter((status) => status >= 500 && status !== 503)).toEqual([]);
  });

  it('all kinds at once', async () => {
    const statuses = new Set<number>();
    const kinds = Object.values(attacks);
    const complaints = await attacked.brokenBy(() =>
      Promise.all(attackers.map((client, i) => keepDoing(client, (who, round) => at(kinds, round + i)(who, round), statuses))),
    );
    expect(complaints).toEqual([]);
  });
});

describe('a text that is refused', () => {
  it.each(refused.map(({ kind, text }) => [kind, text] as const))('%s: stores nothing and says why', async (_, text) => {
    const user = await attacked.parley.client(`refused-${crypto.randomUUID()}`);
    const { id } = await user.createConversation({ memberIds: [] });
    // Raw, because JSON.stringify escapes half pairs and a well-behaved client would not send them.
    const answer = await user.requestRaw('POST', `/v1/conversations/${id}/messages`, JSON.stringify({ content: text }), {
      'content-type': 'application/json',
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'validation', errors: [{ pointer: '/content' }] } });
    expect((await user.messages(id)).headSeq).toBe(0);
  });

  it.each(refused.map(({ kind, text }) => [kind, text] as const))('%s: is no title, no metadata and no query either', async (_, text) => {
    const user = await attacked.parley.client(`refused-${crypto.randomUUID()}`);
    const { id } = await user.createConversation({ memberIds: [] });
    const short = text.slice(0, 190);
    const answers = [
      await user.request('POST', '/v1/conversations', { title: short, memberIds: [] }),
      await user.request('POST', `/v1/conversations/${id}/messages`, { content: 'x', metadata: { note: text.slice(0, 900) } }),
      await user.request('POST', `/v1/conversations/${id}/context`, { query: short, maxTokens: 10 }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400]);
  });
});

it.each(['gateway', 'realtime', 'embedding', 'ops'] as const)('none of these texts has ended %s', async (service) => {
  expect(attacked.parley[service].pid).toBeDefined();
  expect(await attacked.parley.logOf(service)).not.toMatch(/"level":60|uncaught error|nothing gets through/);
});
