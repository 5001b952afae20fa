import { describe, expect, it } from 'vitest';
import { QueueStatusPort } from '#lib/bus/queue-status/queue-status.port';
import type { ConsistencyReport, FindingKind } from '#lib/contracts/admin';
import type { QueueStatus } from '#lib/contracts/http';
import { type MessageId, newId } from '#lib/contracts/ids';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { aMessageCreated } from '#lib/testing/builders';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { MemoryVectorStore } from '#lib/vectors/store/adapters/memory-vector-store';
import { chunkMessage } from '#lib/vectors/chunking/chunk-message';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';
import { CheckConsistency, type CheckOrder } from './check-consistency.js';
import type { MessageState } from './indexable-messages.port.js';
import { MemoryIndexableMessages } from '../adapters/memory-indexable-messages.js';

class QueuesOf extends QueueStatusPort {
  constructor(private readonly ready: number | null) {
    super();
  }
  async read(): Promise<QueueStatus[]> {
    const unknown = { consumers: null, paused: null, oldestAgeSeconds: null, deadLetters: null };
    return [{ name: 'embedding.messages', ready: this.ready, unacked: 0, ...unknown }];
  }
}

const HOUR_MS = 3_600_000;
const longText = 'A sentence of a long story. '.repeat(100);

const world = ({ ready = 0, pageSize = 3 }: { ready?: number | null; pageSize?: number } = {}) => {
  const messages = new MemoryIndexableMessages();
  const vectors = new MemoryVectorStore(384);
  const check = new CheckConsistency(messages, vectors, new QueuesOf(ready), new MemoryOutbox(), { pageSize, pauseMs: 0 });
  const put = async (id: MessageId, { version = 1, content = 'hello' } = {}) => {
    const chunks = chunkMessage(aMessageCreated({ messageId: id, version, content }).data);
    await vectors.replace(chunks, await new LocalEmbedder().embed(chunks.map(({ text }) => text)), { removed: [] });
    return chunks.length;
  };
  const know = (facts: Partial<Omit<MessageState, 'entry'>> & { entry?: Partial<LedgerEntry> | undefined } = {}): MessageId => {
    const { entry, id = newId(), version = 1, isDeleted = false, changedAt = new Date(Date.now() - HOUR_MS) } = facts;
    const full: LedgerEntry = { messageId: id, version, chunkCount: 1, model: 'local', state: 'indexed', ...entry };
    messages.states.set(id, { id, version, isDeleted, changedAt, entry: 'entry' in facts && entry === undefined ? undefined : full });
    return id;
  };
  /** A message that is in step. */
  const indexed = async (content = 'hello') => {
    const id = know();
    const chunkCount = await put(id, { content });
    return know({ id, entry: { chunkCount } });
  };
  const run = (order: Partial<CheckOrder> = {}) =>
    check.execute({ repair: 'none', signal: new AbortController().signal, onProgress: async () => true, ...order });
  return { messages, vectors, put, know, indexed, run };
};

const foundBy = ({ findings, examples }: ConsistencyReport) =>
  Object.fromEntries(
    (Object.keys(findings) as FindingKind[]).flatMap((kind) => (findings[kind] === 0 ? [] : [[kind, examples[kind].toSorted()]])),
  );

describe('a comparison of messages, ledger and vectors', () => {
  it('finds nothing where everything is in step, over any number of pages', async () => {
    const { indexed, know, run } = world();
    for (let i = 0; i < 7; i += 1) await indexed(i % 2 === 0 ? 'short' : longText);
    know({ isDeleted: true, version: 2, entry: { state: 'removed', chunkCount: 0 } });
    const report = await run();
    expect(foundBy(report)).toEqual({});
    expect(report).toMatchObject({ messagesChecked: 8, pending: 0, repaired: { ordered: 0, removed: 0 } });
    expect(report.chunksChecked).toBeGreaterThan(7);
  });

  it('finds exactly what is wrong, and calls it by its name', async () => {
    const { vectors, indexed, know, put, run } = world();
    await indexed();
    const unindexed = know({ entry: undefined });
    const missing = [await indexed(), await indexed(longText)];
    await vectors.remove([`${missing[0]}#chunk_0`, `${missing[1]}#chunk_1`]);
    const older = know({ version: 2 });
    await put(older);
    const tooMany = know({ entry: { chunkCount: 1 } });
    await put(tooMany, { content: longText });
    const behind = know({ version: 3, entry: { version: 2 } });
    await put(behind, { version: 2 });
    const forged = know({ entry: { version: 2_147_483_647, state: 'removed', chunkCount: 0 } });
    const forgedInPlace = know({ entry: { version: 2_147_483_647 } });
    await put(forgedInPlace);
    const deleted = know({ isDeleted: true, version: 2, entry: { state: 'removed', chunkCount: 0 } });
    await put(deleted);
    const unknown = newId();
    await put(unknown, { content: longText });
    const failed = know({ entry: { state: 'failed', chunkCount: 0 } });
    expect(foundBy(await run())).toEqual({
      unindexed: [unindexed],
      missing: missing.toSorted(),
      stale: [older, tooMany, behind, forged, forgedInPlace].toSorted(),
      orphan: [deleted, unknown].toSorted(),
      failed: [failed],
    });
  });

  it('leaves alone what is young', async () => {
    const { know, run } = world();
    know({ entry: undefined, changedAt: new Date(Date.now() - 5_000) });
    know({ version: 2, entry: { version: 1 }, changedAt: new Date(Date.now() - 5_000) });
    expect(await run()).toMatchObject({ messagesChecked: 0, pending: 0, findings: { unindexed: 0, stale: 0 } });
  });

  it.each([3, null])('calls pending what is behind a backlog (%s events wait), and finds what the queue has overtaken', async (ready) => {
    const { know, indexed, run } = world({ ready });
    const lost = know({ entry: undefined, changedAt: new Date(Date.now() - 3 * HOUR_MS) });
    await indexed();
    know({ entry: undefined, changedAt: new Date(Date.now() - HOUR_MS / 2) });
    const report = await run();
    expect({ pending: report.pending, ...foundBy(report) }).toEqual({ pending: 1, unindexed: [lost] });
  });

  it('looks twice: what was indexed between two questions is no finding', async () => {
    const { messages, know, put, run } = world();
    const id = know({ version: 1 });
    await put(id);
    messages.afterPage = () => {
      know({ id, version: 2, changedAt: new Date() });
      void put(id, { version: 2 });
    };
    expect(foundBy(await run())).toEqual({});
  });

  it('stops when it is told to, and when another process has taken over', async () => {
    const { indexed, run } = world();
    await indexed();
    await expect(run({ onProgress: async () => false })).rejects.toMatchObject({ name: 'RunTakenOver' });
    await expect(run({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('a repair', () => {
  it('orders new vectors for messages that there are, removes those of messages that there are not, and leaves failed ones to the operator', async () => {
    const { messages, vectors, know, indexed, put, run } = world();
    const fine = await indexed();
    const wrong = [know({ entry: undefined }), know(), know({ version: 2 })];
    const deleted = know({ isDeleted: true, version: 2, entry: { state: 'removed', chunkCount: 0 } });
    await put(deleted);
    know({ entry: { state: 'failed', chunkCount: 0 } });
    const unknown = [newId(), newId()];
    for (const id of unknown) await put(id, { content: longText });
    const orphanChunks = await vectors.chunksOf(unknown);

    const report = await run({ repair: 'all' });
    expect(messages.ordered.toSorted()).toEqual([...wrong, deleted].toSorted());
    expect(report.repaired).toEqual({ ordered: 4, removed: orphanChunks.length });
    expect(await vectors.chunksOf(unknown)).toEqual([]);
    expect(await vectors.chunksOf([fine])).toHaveLength(1);
  });

  it('indexes again what it finds without being asked to, up to a bound, and leaves vectors of unknown messages to an operator', async () => {
    const { messages, vectors, know, put, run } = world({ pageSize: 400 });
    const wrong = Array.from({ length: 1_100 }, () => know({ version: 2 }));
    const unknown = newId();
    await put(unknown);
    const report = await run({ repair: 'some' });
    expect(report).toMatchObject({ findings: { missing: 1_100, orphan: 1 }, repaired: { ordered: 1_000, removed: 0 } });
    expect(wrong).toEqual(expect.arrayContaining(messages.ordered));
    expect(await vectors.chunksOf([unknown])).toHaveLength(1);
  });

  it('removes nothing when most vectors are of unknown messages: that is another database', async () => {
    const { vectors, indexed, put, run } = world();
    await indexed();
    const strangers = Array.from({ length: 1_001 }, () => newId());
    for (const id of strangers) await put(id);
    await expect(run({ repair: 'all' })).rejects.toThrow('is this the right database?');
    expect(await vectors.chunksOf(strangers)).toHaveLength(1_001);
  });
});
