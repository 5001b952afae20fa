import { describe, expect, it } from 'vitest';
import { type MessageId, newId } from '#lib/contracts/ids';
import { DependencyError } from '#lib/resilience/call/errors';
import { aMessageCreated } from '#lib/testing/builders';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { MemoryVectorStore } from '#lib/vectors/store/adapters/memory-vector-store';
import { MemoryVectorWrites } from '#lib/vectors/store/adapters/memory-vector-writes';
import { chunkMessage } from '#lib/vectors/chunking/chunk-message';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';
import { MemoryIndexableMessages } from '../adapters/memory-indexable-messages.js';
import { FollowUnsettledWrites } from './follow-unsettled-writes.js';

class FailingVectorStore extends MemoryVectorStore {
  isOut = false;

  override async chunksOf(messageIds: readonly MessageId[]) {
    if (this.isOut) throw new DependencyError('chroma', 'get', 'unavailable');
    return super.chunksOf(messageIds);
  }
}

const world = () => {
  const messages = new MemoryIndexableMessages();
  const vectors = new FailingVectorStore(384);
  const writes = new MemoryVectorWrites();
  const follow = new FollowUnsettledWrites(writes, messages, vectors, { graceMs: 0, pauseMs: 0 });
  const put = async (id: MessageId, version: number) => {
    const chunks = chunkMessage(aMessageCreated({ messageId: id, version }).data);
    await vectors.replace(chunks, await new LocalEmbedder().embed(chunks.map(({ text }) => text)), { removed: [] });
  };
  /** A message whose newest version is indexed, and a write of it that got no answer. */
  const inDoubt = async (facts: { version?: number; entry?: Partial<LedgerEntry>; isDeleted?: boolean } = {}) => {
    const { version = 2, entry = {}, isDeleted = false } = facts;
    const id = newId();
    const held: LedgerEntry = { messageId: id, version, chunkCount: 1, model: 'local', state: 'indexed', ...entry };
    messages.states.set(id, { id, version, isDeleted, changedAt: new Date(), entry: held });
    if (!isDeleted) await put(id, held.version);
    await writes.begin([id]);
    return id;
  };
  return { messages, vectors, writes, follow, put, inDoubt, noted: async () => (await writes.unsettled(0, 0, 100)).length };
};

describe('a write to the vector store that got no answer', () => {
  it('is forgotten when its messages were in step twice', async () => {
    const { follow, inDoubt, noted, messages } = world();
    await inDoubt();
    await follow.execute();
    expect(await noted()).toBe(1);
    await follow.execute();
    expect([await noted(), messages.ordered]).toEqual([0, []]);
  });

  it('has its message indexed again when it was executed after a newer version was written', async () => {
    const { follow, inDoubt, put, noted, messages } = world();
    const id = await inDoubt();
    await follow.execute();
    await put(id, 1); // the store executes what its caller has given up on
    await follow.execute();
    expect(messages.ordered).toEqual([id]);
    expect(await noted()).toBe(1);
    await put(id, 2); // what the indexer then does
    await follow.execute();
    await follow.execute();
    expect([await noted(), messages.ordered]).toEqual([0, [id]]);
  });

  it('brings nothing of a deleted or erased message back', async () => {
    const { follow, inDoubt, put, writes, vectors, messages } = world();
    const deleted = await inDoubt({ isDeleted: true, entry: { state: 'removed', chunkCount: 0 } });
    const erased = newId();
    await writes.begin([erased]);
    await put(deleted, 1);
    await put(erased, 1);
    await follow.execute();
    expect(messages.ordered).toEqual([deleted]);
    expect(await vectors.chunksOf([erased])).toEqual([]);
  });

  it('leaves a message alone whose newest version is still on its way', async () => {
    const { follow, inDoubt, messages } = world();
    await inDoubt({ version: 2, entry: { version: 1 } });
    await follow.execute();
    expect(messages.ordered).toEqual([]);
  });

  it('stays noted as long as the store cannot be asked', async () => {
    const { follow, inDoubt, vectors, noted } = world();
    await inDoubt();
    vectors.isOut = true;
    for (let i = 0; i < 3; i += 1) await expect(follow.execute()).rejects.toThrow(DependencyError);
    expect(await noted()).toBe(1);
  });
});
