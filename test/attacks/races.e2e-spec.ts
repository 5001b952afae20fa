import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { MessageView } from '#lib/contracts/http';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

// Families S15 (the same request again) and S22 (between the check and the use).

let parley: RunningParley;
beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
});
afterAll(() => parley.stop());

const key = (value: string) => ({ 'idempotency-key': value });

describe('S15: the same key', () => {
  it('sent 100 times at once is one message', async () => {
    const alice = await parley.client('alice');
    const { id } = await alice.createConversation({ memberIds: [] });
    const path = `/v1/conversations/${id}/messages`;
    const answers = await Promise.all(Array.from({ length: 100 }, () => alice.request('POST', path, { content: 'once' }, key('k'))));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(answers.map(({ body }) => (body as MessageView).id)).size).toBe(1);
    expect((await alice.messages(id)).headSeq).toBe(1);
  });

  it('with another body is refused, and stays refused', async () => {
    const alice = await parley.client('alice');
    const { id } = await alice.createConversation({ memberIds: [] });
    const path = `/v1/conversations/${id}/messages`;
    await alice.request('POST', path, { content: 'one' }, key('k'));
    for (let i = 0; i < 2; i += 1) {
      const answer = await alice.request('POST', path, { content: 'two' }, key('k'));
      expect(answer).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } });
    }
  });

  it('of another user, or in another conversation, is another key', async () => {
    const [alice, bob] = await Promise.all([parley.client('alice'), parley.client('bob')]);
    const [here, there] = await Promise.all([
      alice.createConversation({ memberIds: ['bob'] }),
      alice.createConversation({ memberIds: ['bob'] }),
    ]);
    const messages = [await alice.send(here.id, 'a', 'k'), await bob.send(here.id, 'b', 'k'), await alice.send(there.id, 'c', 'k')];
    expect(new Set(messages.map(({ id }) => id)).size).toBe(3);
  });

  it('answers what was accepted, also after an edit and a deletion', async () => {
    const alice = await parley.client('alice');
    const { id } = await alice.createConversation({ memberIds: [] });
    const first = await alice.send(id, 'as sent', 'k');
    await alice.request('PATCH', `/v1/messages/${first.id}`, { content: 'changed' });
    expect(await alice.send(id, 'as sent', 'k')).toMatchObject({ id: first.id, seq: 1, content: 'as sent', version: 1 });
    await alice.request('DELETE', `/v1/messages/${first.id}`);
    expect(await alice.send(id, 'as sent', 'k')).toMatchObject({ id: first.id, seq: 1, content: 'as sent', version: 1 });
  });
});

describe('S22: a member who is removed while sending', () => {
  it('has stored nothing after the removal was answered', async () => {
    const [alice, bob] = await Promise.all([parley.client('alice'), parley.client('bob')]);
    for (let round = 0; round < 5; round += 1) {
      const { id } = await alice.createConversation({ memberIds: ['bob'] });
      const path = `/v1/conversations/${id}/messages`;
      const sends = Array.from({ length: 20 }, (_, i) => bob.request('POST', path, { content: `racing ${i}` }));
      const removal = alice.request('DELETE', `/v1/conversations/${id}/members/bob`);
      expect((await removal).status).toBe(204);
      const late = await bob.request('POST', path, { content: 'too late' });
      expect(late.status).toBe(404);
      const answers = await Promise.all(sends);
      const stored = answers.filter(({ status }) => status === 202).length;
      expect(answers.every(({ status }) => status === 202 || status === 404)).toBe(true);
      const { items, headSeq } = await alice.messages(id, { limit: 200 });
      expect(headSeq).toBe(stored);
      expect(items.map(({ seq }) => seq)).toEqual(Array.from({ length: stored }, (_, i) => i + 1));
    }
  });
});

it('S22: 200 senders at once in one conversation get 1 to 200 without a gap', async () => {
  const alice = await parley.client('alice');
  const { id } = await alice.createConversation({ memberIds: [] });
  const messages = await Promise.all(Array.from({ length: 200 }, (_, i) => alice.send(id, `number ${i}`)));
  expect(messages.map(({ seq }) => seq).sort((one, other) => one - other)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
});

it('S22: of 20 edits of one version one wins', async () => {
  const alice = await parley.client('alice');
  const { id } = await alice.createConversation({ memberIds: [] });
  const message = await alice.send(id, 'draft');
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      alice.request('PATCH', `/v1/messages/${message.id}`, { content: `edit ${i}` }, { 'if-match': '1' }),
    ),
  );
  const count = (status: number) => answers.filter((answer) => answer.status === status).length;
  expect([count(200), count(412)]).toEqual([1, 19]);
});
