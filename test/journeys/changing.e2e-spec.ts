import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ContextView, MessageView } from '#lib/contracts/http';
import { eventually } from '#lib/testing/eventually';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

let parley: RunningParley;
let alice: ParleyClient;
let conversationId: string;

beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  alice = await parley.client('alice');
  ({ id: conversationId } = await alice.createConversation({ memberIds: ['bob'] }));
});
afterAll(() => parley.stop());

const embedded = (id: string) => eventually(async () => expect((await alice.message(id)).pipeline.embedding).toBe('done'));
const found = async (q: string, mode: 'dense' | 'sparse') =>
  (await alice.search({ q, mode, conversationId })).items.map(({ message }) => message.content);

describe('changing what was said', () => {
  it('moves an edit into vectors and full text, and leaves nothing of the old text', async () => {
    const message = await alice.send(conversationId, 'we meet at the strawberry garden');
    await embedded(message.id);
    const answer = await alice.request(
      'PATCH',
      `/v1/messages/${message.id}`,
      { content: 'we meet at the zeppelin museum' },
      { 'if-match': '1' },
    );
    expect(MessageView.parse(answer.body)).toMatchObject({ version: 2, content: 'we meet at the zeppelin museum' });
    await embedded(message.id);
    for (const mode of ['dense', 'sparse'] as const) {
      expect(await found('strawberry', mode)).toEqual([]);
      await eventually(async () => expect(await found('zeppelin museum', mode)).toEqual(['we meet at the zeppelin museum']));
    }
  });

  it('keeps the newest of many edits, however they overtake each other', async () => {
    const message = await alice.send(conversationId, 'draft zero');
    for (let i = 1; i <= 10; i += 1) {
      expect((await alice.request('PATCH', `/v1/messages/${message.id}`, { content: `draft number ${i}` })).status).toBe(200);
    }
    await embedded(message.id);
    expect(await alice.message(message.id)).toMatchObject({ version: 11, content: 'draft number 10' });
    expect((await found('draft number', 'dense')).filter((text) => text.startsWith('draft'))).toEqual(['draft number 10']);
  });

  it('takes a deleted message out of vectors, full text and context', async () => {
    const message = await alice.send(conversationId, 'the secret password of the wooden house');
    await embedded(message.id);
    expect((await alice.request('DELETE', `/v1/messages/${message.id}`)).status).toBe(204);
    for (const mode of ['dense', 'sparse'] as const) expect(await found('secret password wooden house', mode)).toEqual([]);
    const context = await alice.request('POST', `/v1/conversations/${conversationId}/context`, {
      query: 'secret password',
      maxTokens: 500,
    });
    expect(JSON.stringify(context.body)).not.toContain('secret password');
    await embedded(message.id);
  });

  it('embeds an urgent message before it answers', async () => {
    const answer = await alice.request('POST', `/v1/conversations/${conversationId}/messages`, {
      content: 'urgent: bus at ten',
      priority: 'high',
    });
    expect(answer).toMatchObject({ status: 202, body: { pipeline: { embedding: 'done' } } });
    expect(await found('urgent bus at ten', 'dense')).toContain('urgent: bus at ten');
  });

  it('builds a context with what was just said and what fits the question', async () => {
    for (let i = 0; i < 30; i += 1) await alice.send(conversationId, `small talk ${i}`);
    const last = await alice.send(conversationId, 'and this is the newest');
    const answer = await alice.request('POST', `/v1/conversations/${conversationId}/context`, {
      query: 'zeppelin museum',
      maxTokens: 400,
      recent: 5,
      minSeq: last.seq,
    });
    const { items, tokens } = ContextView.parse(answer.body);
    expect(tokens).toBeLessThanOrEqual(400);
    expect(items.at(-1)).toMatchObject({ why: 'recent', message: { id: last.id } });
    expect(items.map(({ message }) => message.content)).toContain('we meet at the zeppelin museum');
    expect(items.map(({ message }) => message.seq)).toEqual(items.map(({ message }) => message.seq).sort((a, b) => a - b));
  });
});
