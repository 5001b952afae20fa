import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

let parley: RunningParley;
let alice: ParleyClient;
let bob: ParleyClient;
let mallory: ParleyClient;

beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  [alice, bob, mallory] = await Promise.all([parley.client('alice'), parley.client('bob'), parley.client('mallory')]);
});
afterAll(() => parley.stop());

const embedded = (client: ParleyClient, id: string) =>
  eventually(async () => expect((await client.message(id)).pipeline).toMatchObject({ embedding: 'done' }), {
    what: 'the message is embedded',
  });

describe('a search', () => {
  it('finds what was written, in English and in Vietnamese, by words and by vectors, for members only', async () => {
    const { id: conversationId } = await alice.createConversation({ title: 'Đà Lạt', memberIds: ['bob'] });
    const coffee = await alice.send(conversationId, 'Sáng thứ Bảy mình ghé quán cà phê rang xay của cô Ba nhé');
    const hike = await bob.send(conversationId, 'Bring warm jackets for the sunrise hike on Langbiang mountain');
    const noise = await bob.send(conversationId, 'ok');
    expect([coffee.seq, hike.seq, noise.seq]).toEqual([1, 2, 3]);
    expect(coffee.pipeline).toEqual({ delivery: 'pending', embedding: 'pending', scoring: 'pending' });
    await Promise.all([coffee, hike, noise].map(({ id }) => embedded(alice, id)));

    for (const mode of ['hybrid', 'dense', 'sparse'] as const) {
      for (const [q, wanted] of [
        ['cà phê rang xay', coffee],
        ['ca phe rang xay', coffee],
        ['sunrise hike', hike],
      ] as const) {
        await eventually(async () => {
          const { items, degraded } = await bob.search({ q, mode, conversationId });
          expect({ q, mode, degraded, first: items[0]?.message.id }).toEqual({ q, mode, degraded: [], first: wanted.id });
        });
      }
    }
    expect((await bob.search({ q: 'sunrize hike', mode: 'dense', conversationId })).items[0]?.message.id).toBe(hike.id);

    const { items: allOfAlice } = await alice.search({ q: 'cà phê' });
    expect(allOfAlice[0]).toMatchObject({
      message: { id: coffee.id, senderId: 'alice', pipeline: { embedding: 'done' } },
      ranks: { rrf: 1 },
    });
    expect((await mallory.search({ q: 'cà phê' })).items).toEqual([]);
    expect((await mallory.request('GET', `/v1/search?q=coffee&conversationId=${conversationId}`)).status).toBe(404);
    expect((await mallory.request('GET', `/v1/messages/${coffee.id}`)).status).toBe(404);
  });

  it('finds the end of a long text as well as its beginning', async () => {
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const filler = 'The weather stays as it is and nobody says anything new about it. '.repeat(150);
    // More than half a chunk each, so that beginning and end get chunks of their own.
    const beginning = 'In the strawberry garden of Mrs Ba we pick strawberries all morning. '.repeat(9);
    const end = 'Last we visit the zeppelin museum and have tea in the zeppelin hangar. '.repeat(9);
    const long = await alice.send(conversationId, `${beginning}\n\n${filler}\n\n${end}`);
    const other = await alice.send(conversationId, 'The weather again');
    await Promise.all([long, other].map(({ id }) => embedded(alice, id)));
    for (const q of ['strawberry garden', 'zeppelin museum']) {
      const { items, degraded } = await alice.search({ q, mode: 'dense', conversationId });
      expect({ first: items[0]?.message.id, degraded }).toEqual({ first: long.id, degraded: [] });
    }
  });
});
