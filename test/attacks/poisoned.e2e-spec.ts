import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ChromaClient } from 'chromadb';
import { eventually } from '#lib/testing/eventually';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

// Family S11: what comes from a dependency is not believed either. Chroma holds what was never said.

let parley: RunningParley;
let alice: ParleyClient;
let mallory: ParleyClient;
beforeAll(async () => {
  parley = await startParley({ stack: inject('stack') });
  [alice, mallory] = await Promise.all([parley.client('alice'), parley.client('mallory')]);
});
afterAll(() => parley.stop());

describe('a Chroma that was tampered with', () => {
  it('shows no reader what is not theirs, and breaks no search', async () => {
    const mine = await mallory.createConversation({ memberIds: [] });
    const own = await mallory.send(mine.id, 'a text of her own');
    const { id } = await alice.createConversation({ memberIds: [] });
    const secret = await alice.send(id, 'the zeppelin leaves at dawn');
    await eventually(async () => {
      for (const [client, message] of [
        [alice, secret],
        [mallory, own],
      ] as const) {
        expect((await client.message(message.id)).pipeline.embedding).toBe('done');
      }
    });
    const { hostname, port } = new URL(parley.chromaUrl);
    const chroma = new ChromaClient({ host: hostname, port: Number(port) });
    for (const collection of await chroma.listCollections()) {
      const { ids } = await collection.get({ ids: [`${secret.id}#chunk_0`], include: [] });
      if (ids.length === 0) continue;
      // It now says that it belongs into her conversation.
      await collection.update({ ids, metadatas: [{ conversationId: mine.id, senderId: 'mallory', seq: 1, version: 1 }] });
      const [embedding] = (await collection.get({ ids, include: ['embeddings'] })).embeddings ?? [];
      await collection.upsert({
        ids: ['not-a-message', `${crypto.randomUUID()}#chunk_0`, "'; DROP TABLE messages; --#chunk_0", `${own.id}#chunk_999999999999`],
        embeddings: Array.from({ length: 4 }, () => [...(embedding ?? [])]),
        metadatas: Array.from({ length: 4 }, () => ({ conversationId: mine.id, seq: -1, version: 2 ** 40, senderId: '<script>' })),
      });
    }
    for (const mode of ['dense', 'hybrid'] as const) {
      const answer = await mallory.request('GET', `/v1/search?mode=${mode}&q=${encodeURIComponent('the zeppelin leaves at dawn')}`);
      expect(answer.status).toBe(200);
      expect(JSON.stringify(answer.body)).not.toContain('zeppelin leaves');
      expect(JSON.stringify(answer.body)).not.toContain('<script>');
    }
  });
});
