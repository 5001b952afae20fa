import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LocalEmbedder } from '../embedder/adapters/local-embedder.js';
import { chunkMessage } from '../chunking/chunk-message.js';
import type { Chunk } from '../chunking/chunk.js';
import type { VectorStorePort } from './vector-store.port.js';
import { newId } from '#lib/contracts/ids';
import { aMessageCreated } from '#lib/testing/builders';

/** Length of the vectors that the store under test must be made for. */
export const CONTRACT_DIMENSION = 384;

/**
 * What every vector store promises. The store may be shared: each test has conversations of its own.
 * @param options.recall share that is found when everything is asked for: 1 unless the store asks an approximate index alone.
 */
export function vectorStoreContract(
  name: string,
  make: () => Promise<{ store: VectorStorePort; stop?: () => Promise<void> }>,
  { recall = 1 }: { readonly recall?: number } = {},
): void {
  const embedder = new LocalEmbedder();
  let store: VectorStorePort;
  let stop: (() => Promise<void>) | undefined;

  const embed = async (text: string) => {
    const [vector] = await embedder.embed([text]);
    return vector ?? expect.unreachable('no vector');
  };
  const put = async (chunks: readonly Chunk[], also: Parameters<VectorStorePort['replace']>[2] = { removed: [] }) =>
    store.replace(chunks, await embedder.embed(chunks.map(({ text }) => text)), also);
  const chunksFor = (facts: Parameters<typeof aMessageCreated>[0]) => chunkMessage(aMessageCreated(facts).data);
  /** A text of `count` chunks about `subject`. */
  const longText = (count: number, subject: string) => `${subject}. `.repeat(Math.ceil((count * 880) / (subject.length + 2)));
  const find = async (text: string, visible: readonly string[], k = 10, filter = {}) =>
    store.nearest(await embed(text), visible, k, filter);
  const idsOf = (found: readonly { id: string }[]) => found.map(({ id }) => id).sort();

  describe(`${name} as a vector store`, () => {
    beforeAll(async () => ({ store, stop } = await make()));
    afterAll(async () => stop?.());

    it('finds what was put in, nearest first, with its cosine similarity', async () => {
      const conversationId = newId();
      const texts = ['the train to Hanoi leaves at nine', 'who brings the birthday cake', 'a train ticket to Hanoi'];
      const chunks = texts.flatMap((content) => chunksFor({ conversationId, content }));
      await put(chunks);
      const found = await find('a train ticket to Hanoi', [conversationId]);
      expect(found.map(({ messageId }) => messageId)).toEqual([chunks[2]?.messageId, chunks[0]?.messageId, chunks[1]?.messageId]);
      expect(found[0]?.score).toBeCloseTo(1, 4);
      const [first, last] = [await embed(texts[0] ?? ''), await embed('a train ticket to Hanoi')];
      expect(found[1]?.score).toBeCloseTo(
        first.reduce((sum, value, i) => sum + value * (last[i] ?? 0), 0),
        3,
      );
      for (const { id, messageId } of found) expect(id).toBe(`${messageId}#chunk_0`);
    });

    it('finds only what its reader may see', async () => {
      const [mine, theirs] = [newId(), newId()];
      await put([
        ...chunksFor({ conversationId: mine, content: 'the secret plan' }),
        ...chunksFor({ conversationId: theirs, content: 'the secret plan' }),
      ]);
      const [own] = await find('the secret plan', [mine]);
      expect(await find('the secret plan', [mine])).toHaveLength(1);
      expect(await find('the secret plan', [mine, theirs])).toHaveLength(2);
      expect(await find('the secret plan', [theirs])).not.toContainEqual(own);
      expect(await find('the secret plan', [])).toEqual([]);
      expect(await find('the secret plan', [newId()])).toEqual([]);
    });

    it.each([40, 4])('finds only what its reader may see who is in %i of 60 conversations', async (count) => {
      const conversations = Array.from({ length: 60 }, () => newId());
      const chunks = conversations.flatMap((conversationId, i) =>
        chunksFor({ conversationId, content: `harbour ${'lights '.repeat(i % 7)}${i}` }),
      );
      await put(chunks);
      // Conversations without messages beside them: a reader of many, however little of it.
      const visible = [...conversations.slice(0, count), ...Array.from({ length: 20 }, () => newId())];
      const seen = chunks.filter(({ conversationId }) => visible.includes(conversationId));
      const found = await find('harbour lights', visible, 4);
      expect(found).toHaveLength(4);
      expect(seen.map(({ id }) => id)).toEqual(expect.arrayContaining(idsOf(found)));
      const all = await find('harbour lights', visible, count);
      expect(seen.map(({ id }) => id)).toEqual(expect.arrayContaining(idsOf(all)));
      expect(all.length).toBeGreaterThanOrEqual(Math.floor(count * recall));
      expect(all.slice(0, 4).map(({ score }) => score)).toEqual(found.map(({ score }) => score));
    });

    it('finds no more than asked for', async () => {
      const conversationId = newId();
      await put(Array.from({ length: 12 }, (_, i) => chunksFor({ conversationId, content: `note ${i}` })).flat());
      expect(await find('note', [conversationId], 5)).toHaveLength(5);
      expect(await find('note', [conversationId], 100)).toHaveLength(12);
      expect(await find('note', [conversationId], 0)).toEqual([]);
    });

    it('narrows by sender and by time, both ends included', async () => {
      const conversationId = newId();
      const message = (senderId: string, second: number) =>
        chunksFor({ conversationId, senderId, createdAt: `2026-11-20T10:00:0${second}.000Z`, content: `lunch ${senderId} ${second}` });
      const [alice1, bob2, alice3] = [message('alice', 1), message('bob', 2), message('alice', 3)];
      await put([...alice1, ...bob2, ...alice3]);
      const at = (second: number) => Date.parse(`2026-11-20T10:00:0${second}.000Z`);
      expect(idsOf(await find('lunch', [conversationId], 10, { senderId: 'alice' }))).toEqual(idsOf([...alice1, ...alice3]));
      expect(idsOf(await find('lunch', [conversationId], 10, { fromMs: at(2) }))).toEqual(idsOf([...bob2, ...alice3]));
      expect(idsOf(await find('lunch', [conversationId], 10, { fromMs: at(2), toMs: at(2) }))).toEqual(idsOf(bob2));
      expect(idsOf(await find('lunch', [conversationId], 10, { senderId: 'alice', toMs: at(2) }))).toEqual(idsOf(alice1));
      expect(await find('lunch', [conversationId], 10, { senderId: 'no-sender' })).toEqual([]);
    });

    it('tells messages and documents apart', async () => {
      const conversationId = newId();
      const [message] = chunksFor({ conversationId, content: 'the lighthouse keeper' });
      const part = { ...aMessageCreated({ conversationId, content: 'the lighthouse keeper' }).data, documentId: newId() };
      await put([...(message === undefined ? [] : [message]), ...chunkMessage(part)]);
      const found = async (filter: object) => (await find('lighthouse', [conversationId], 10, filter)).map(({ messageId }) => messageId);
      expect(await found({ kind: 'message' })).toEqual([message?.messageId]);
      expect(await found({ kind: 'document' })).toEqual([part.messageId]);
      expect(await found({})).toHaveLength(2);
    });

    it('keeps every chunk of a long message, and says which version they are of', async () => {
      const chunks = chunksFor({ content: longText(5, 'The minutes of a long meeting'), version: 3 });
      expect(chunks.length).toBeGreaterThan(3);
      await put(chunks);
      const stored = await store.chunksOf([chunks[0]?.messageId ?? '']);
      expect(idsOf(stored)).toEqual(idsOf(chunks));
      expect(stored.every(({ version, messageId }) => version === 3 && messageId === chunks[0]?.messageId)).toBe(true);
    });

    it('takes more than one batch at once', async () => {
      const conversationId = newId();
      const chunks = Array.from({ length: 250 }, (_, i) => chunksFor({ conversationId, content: `batch message ${i}` })).flat();
      await put(chunks, { removed: [], mayHaveOlder: [] });
      expect(await store.chunksOf(chunks.map(({ messageId }) => messageId))).toHaveLength(250);
    });

    it('leaves the same store when the same call comes twice', async () => {
      const conversationId = newId();
      const chunks = chunksFor({ conversationId, content: longText(3, 'Say it again') });
      await put(chunks);
      const once = await find('Say it again', [conversationId]);
      await put(chunks);
      expect(await find('Say it again', [conversationId])).toEqual(once);
    });

    it('replaces the chunks of an older version, also those that the new version does not have', async () => {
      const conversationId = newId();
      const messageId = newId();
      const older = chunksFor({ conversationId, messageId, content: longText(4, 'A long story') });
      const newer = chunksFor({ conversationId, messageId, content: 'a short story', version: 2 });
      await put(older, { removed: [], mayHaveOlder: [] });
      await put(newer, { removed: [], mayHaveOlder: [messageId] });
      expect(await store.chunksOf([messageId])).toEqual([{ id: `${messageId}#chunk_0`, messageId, version: 2 }]);
      expect((await find('a short story', [conversationId]))[0]?.score).toBeCloseTo(1, 4);
    });

    it('replaces surplus chunks without being told where they may be', async () => {
      const messageId = newId();
      await put(chunksFor({ messageId, content: longText(3, 'First long') }));
      await put(chunksFor({ messageId, content: 'then short' }));
      expect(await store.chunksOf([messageId])).toHaveLength(1);
    });

    it('grows a message that has become longer', async () => {
      const messageId = newId();
      const longer = chunksFor({ messageId, content: longText(4, 'Grown up'), version: 2 });
      await put(chunksFor({ messageId, content: 'little' }));
      await put(longer);
      expect(idsOf(await store.chunksOf([messageId]))).toEqual(idsOf(longer));
    });

    it('edits several messages of different lengths in one call', async () => {
      const ids = [newId(), newId(), newId()];
      await put(ids.flatMap((messageId) => chunksFor({ messageId, content: longText(4, 'before the edit') })));
      const edited = [
        ...chunksFor({ messageId: ids[0] ?? '', content: 'one', version: 2 }),
        ...chunksFor({ messageId: ids[1] ?? '', content: longText(2, 'two of them'), version: 3 }),
        ...chunksFor({ messageId: ids[2] ?? '', content: 'three', version: 2 }),
      ];
      await put(edited, { removed: [], mayHaveOlder: ids });
      expect(idsOf(await store.chunksOf(ids))).toEqual(idsOf(edited));
    });

    it('takes the newer of two versions in one call', async () => {
      const messageId = newId();
      await put([...chunksFor({ messageId, content: 'newer', version: 2 }), ...chunksFor({ messageId, content: longText(3, 'older') })]);
      expect(await store.chunksOf([messageId])).toEqual([{ id: `${messageId}#chunk_0`, messageId, version: 2 }]);
    });

    it('removes every chunk of a removed message and nothing of its neighbours', async () => {
      const conversationId = newId();
      const gone = chunksFor({ conversationId, content: longText(3, 'to be removed') });
      const stays = chunksFor({ conversationId, content: 'to stay' });
      await put([...gone, ...stays]);
      await put([], { removed: [gone[0]?.messageId ?? ''] });
      expect(idsOf(await find('to be removed', [conversationId]))).toEqual(idsOf(stays));
      expect(await store.chunksOf([gone[0]?.messageId ?? ''])).toEqual([]);
    });

    it('writes and removes in one call', async () => {
      const gone = chunksFor({ content: 'old news' });
      const fresh = chunksFor({ content: 'fresh news' });
      await put(gone);
      await put(fresh, { removed: [gone[0]?.messageId ?? ''], mayHaveOlder: [] });
      expect(idsOf(await store.chunksOf([...gone, ...fresh].map(({ messageId }) => messageId)))).toEqual(idsOf(fresh));
    });

    it('does not mind removing what is not there, or nothing', async () => {
      await put([], { removed: [newId()] });
      await put([], { removed: [] });
      expect(await store.chunksOf([newId()])).toEqual([]);
      expect(await store.chunksOf([])).toEqual([]);
    });

    it('names everything that is stored, page by page', async () => {
      const chunks = Array.from({ length: 25 }, (_, i) => chunksFor({ content: `page ${i}` })).flat();
      await put(chunks);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const { ids, next } = await store.chunkIdsFrom(cursor, 10);
        expect(ids.length).toBeLessThanOrEqual(10);
        seen.push(...ids);
        cursor = next;
      } while (cursor !== undefined);
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen).toEqual(expect.arrayContaining(chunks.map(({ id }) => id)));
    });

    it('removes chunks by their ids and nothing else', async () => {
      const messageId = newId();
      const chunks = chunksFor({ messageId, content: longText(3, 'piece by piece') });
      await put(chunks);
      await store.remove([chunks[1]?.id ?? '', `${newId()}#chunk_0`]);
      expect(idsOf(await store.chunksOf([messageId]))).toEqual(idsOf(chunks.filter((_, i) => i !== 1)));
      await store.remove(chunks.map(({ id }) => id));
      expect(await store.chunksOf([messageId])).toEqual([]);
      await store.remove([]);
    });

    it('names the chunks of a sender, and of no other', async () => {
      const senderId = `sender-${newId()}`;
      const theirs = [
        ...chunksFor({ senderId, content: longText(3, 'in pieces') }),
        ...chunksFor({ senderId, content: 'in another conversation' }),
      ];
      await put([...theirs, ...chunksFor({ senderId: `${senderId}0`, content: 'of another sender' })]);
      expect((await store.chunkIdsOfSender(senderId, 100)).sort()).toEqual(theirs.map(({ id }) => id).sort());
      expect(await store.chunkIdsOfSender(senderId, 2)).toHaveLength(2);
      await store.remove(await store.chunkIdsOfSender(senderId, 100));
      expect(await store.chunkIdsOfSender(senderId, 100)).toEqual([]);
    });

    it('refuses vectors of another length, and says which lengths', async () => {
      const chunks = chunksFor({ content: 'three dimensions' });
      await expect(store.replace(chunks, [Float32Array.of(1, 0, 0)], { removed: [] })).rejects.toThrow(/384.*3/);
      await expect(store.nearest(Float32Array.of(1, 0, 0), [newId()], 5)).rejects.toThrow(/384.*3/);
      expect(await store.chunksOf([chunks[0]?.messageId ?? ''])).toEqual([]);
    });

    it('refuses chunks without embeddings', async () => {
      await expect(store.replace(chunksFor({ content: 'no vector' }), [], { removed: [] })).rejects.toThrow('1 chunks, but 0 embeddings');
    });
  });
}
