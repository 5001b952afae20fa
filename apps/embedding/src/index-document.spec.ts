import { describe, expect, it } from 'vitest';
import { Postpone } from '#lib/bus/outcome';
import { newEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import { DependencyError } from '#lib/resilience/call/errors';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { EmbedderPort, TextRejected } from '#lib/vectors/embedder/embedder.port';
import { MemoryChunkLedger } from '#lib/vectors/ledger/adapters/memory-chunk-ledger';
import { MemoryVectorStore } from '#lib/vectors/store/adapters/memory-vector-store';
import { MemoryVectorWrites } from '#lib/vectors/store/adapters/memory-vector-writes';
import { MemoryCurrentMessages } from './adapters/memory-current-messages.js';
import { MemoryDocumentIndexing } from './adapters/memory-document-indexing.js';
import { IndexDocument } from './index-document.js';
import { IndexMessages } from './index-messages.js';
import { MarkFailed } from './mark-failed.js';
import { WriteVectors } from './write-vectors.js';

/** Does with each text what the test says, then embeds it. */
class ScriptedEmbedder extends EmbedderPort {
  readonly model = 'scripted';
  readonly dimension = 384;
  readonly asked: string[] = [];
  before: (text: string) => Promise<void> | void = () => undefined;
  private readonly inner = new LocalEmbedder();

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    for (const text of texts) await this.before(text);
    this.asked.push(...texts);
    return this.inner.embed(texts);
  }
}

const uploaded = (partCount: number, { workMs = 10_000, batches = 1 } = {}) => {
  const ledger = new MemoryChunkLedger();
  const messages = new MemoryCurrentMessages(ledger);
  const documents = new MemoryDocumentIndexing(ledger);
  const embedder = new ScriptedEmbedder();
  const vectors = new MemoryVectorStore(384);
  const [documentId, conversationId] = [newId(), newId()];
  const partIds = Array.from({ length: partCount }, () => newId());
  documents.documents.set(documentId, { partIds, state: 'pending' });
  for (const [index, messageId] of partIds.entries()) {
    const createdAt = new Date().toISOString();
    messages.commitPart({ messageId, documentId, conversationId, senderId: 'alice', seq: index + 1, createdAt, content: `part ${index}` });
  }
  const parts = new IndexMessages(messages, ledger, embedder, vectors, new WriteVectors(vectors, new MemoryVectorWrites()));
  const indexDocument = new IndexDocument(documents, parts, embedder.model, { batches, workMs });
  const event = newEvent('document.created', { documentId, conversationId, ownerId: 'alice' });
  return {
    embedder,
    vectors,
    ledger,
    erase: () => {
      for (const partId of partIds) messages.remove(partId);
      documents.documents.delete(documentId);
    },
    partIds,
    event,
    deliver: () => indexDocument.handle(event),
    state: () => documents.documents.get(documentId)?.state,
    storedParts: async () => (await vectors.chunksOf(partIds)).map(({ messageId }) => partIds.indexOf(messageId)).sort((a, b) => a - b),
    markFailed: () => new MarkFailed(messages, ledger, embedder, documents).mark(event),
  };
};

describe('a document', () => {
  it('is done when each of its parts has its vectors', async () => {
    const document = uploaded(12, { batches: 3 });
    await document.deliver();
    expect(await document.storedParts()).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(document.state()).toBe('done');
  });

  it('that is delivered again finds nothing left to do', async () => {
    const document = uploaded(3);
    await document.deliver();
    document.embedder.asked.length = 0;
    await document.deliver();
    expect(document.embedder.asked).toEqual([]);
    expect(document.state()).toBe('done');
  });

  it('goes on where it stopped, without an attempt, when its time is over', async () => {
    const document = uploaded(4, { workMs: 30 });
    document.embedder.before = () => new Promise((resolve) => setTimeout(resolve, 40));
    await expect(document.deliver()).rejects.toBeInstanceOf(Postpone);
    expect(await document.storedParts()).toEqual([0]);
    expect(document.state()).toBe('indexing');
    document.embedder.before = () => undefined;
    await document.deliver();
    expect(document.embedder.asked).toEqual(['part 0', 'part 1', 'part 2', 'part 3']);
    expect(document.state()).toBe('done');
  });

  it('waits for a dependency that is out', async () => {
    const document = uploaded(6);
    document.embedder.before = (text) => {
      if (text === 'part 3') throw new DependencyError('embedder', 'embed', 'open');
    };
    await expect(document.deliver()).rejects.toBeInstanceOf(DependencyError);
    document.embedder.before = () => undefined;
    await document.deliver();
    expect(await document.storedParts()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('with a part that the model refuses fails after its other parts are indexed', async () => {
    const document = uploaded(8);
    document.embedder.before = (text) => {
      if (text === 'part 0') throw new TextRejected('scripted', 'answer 400');
    };
    await expect(document.deliver()).rejects.toBeInstanceOf(TextRejected);
    expect(await document.storedParts()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    await document.markFailed();
    expect(document.state()).toBe('failed');
  });

  it('that is dead-lettered and replayed is indexed like any other', async () => {
    const document = uploaded(2);
    await document.markFailed();
    await document.deliver();
    expect(document.state()).toBe('done');
  });

  it('whose owner is erased while it is indexed has no vectors, nothing is recorded, and it is no failure', async () => {
    const document = uploaded(3);
    document.embedder.before = (text) => {
      if (text === 'part 1') document.erase();
    };
    await document.deliver();
    expect(await document.storedParts()).toEqual([0]); // was done before: the erasure finds it
    expect([...(await document.ledger.entriesOf(document.partIds)).keys()]).toEqual([document.partIds[0]]);
    await document.deliver();
    expect(document.embedder.asked).toEqual(['part 0', 'part 1', 'part 2']);
  });

  it('that is not stored is ignored', async () => {
    const document = uploaded(1);
    const forged = { ...document.event, data: { ...document.event.data, documentId: newId() } };
    const index = new IndexDocument(new MemoryDocumentIndexing(new MemoryChunkLedger()), {} as IndexMessages, 'm', {
      batches: 1,
      workMs: 1,
    });
    await expect(index.handle(forged)).resolves.not.toThrow();
  });
});
