import { describe, expect, it } from 'vitest';
import type { IndexingEvent, MessageEvent } from '#lib/contracts/events';
import { derivedId } from '#lib/contracts/ids';
import { aMessageCreated, deletionOf, editOf, rebuildOf } from '#lib/testing/builders';
import { LocalEmbedder } from '#lib/vectors/adapters/local-embedder';
import { MemoryChunkLedger } from '#lib/vectors/adapters/memory-chunk-ledger';
import { MemoryVectorStore } from '#lib/vectors/adapters/memory-vector-store';
import { MemoryVocabulary } from '#lib/vectors/adapters/memory-vocabulary';
import { chunkMessage } from '#lib/vectors/chunk-message';
import type { LedgerEntry } from '#lib/vectors/chunk-ledger.port';
import { EmbedderPort, TextRejected } from '#lib/vectors/embedder.port';
import { IndexMessages } from './index-messages.js';
import { MarkFailed } from './mark-failed.js';

/** Refuses some texts, as a model does that is handed something it cannot read; counts the texts it was asked for. */
class PickyEmbedder extends EmbedderPort {
  readonly model = 'picky';
  readonly dimension = 384;
  readonly asked: string[] = [];
  private readonly inner = new LocalEmbedder();

  constructor(private readonly refuses: (text: string) => boolean = () => false) {
    super();
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    this.asked.push(...texts);
    if (texts.some(this.refuses)) throw new TextRejected(this.model, 'answer 400');
    return this.inner.embed(texts);
  }
}

/** A ledger that lets another process step in right before this one records. */
class ContestedLedger extends MemoryChunkLedger {
  beforeRecord: (() => Promise<unknown>) | undefined;

  override async record(entries: readonly LedgerEntry[]) {
    const meanwhile = this.beforeRecord;
    this.beforeRecord = undefined;
    await meanwhile?.();
    return super.record(entries);
  }
}

const embedding = ({ embedder = new PickyEmbedder(), ledger = new ContestedLedger(), vectors = new MemoryVectorStore(384) } = {}) => {
  const vocabulary = new MemoryVocabulary();
  const indexMessages = new IndexMessages(ledger, embedder, vectors, vocabulary);
  return {
    vocabulary,
    embedder,
    ledger,
    vectors,
    handle: (...events: IndexingEvent[]) => indexMessages.handle(events),
    anotherProcess: () => embedding({ embedder, ledger, vectors }),
    versionsOf: async ({ data: { messageId } }: MessageEvent) => (await vectors.chunksOf([messageId])).map(({ version }) => version),
    entryOf: async ({ data: { messageId } }: MessageEvent) => (await ledger.entriesOf([messageId])).get(messageId),
    nearest: async (text: string, { conversationId }: MessageEvent) => {
      const [query = new Float32Array(384)] = await new LocalEmbedder().embed([text]);
      return (await vectors.nearest(query, [conversationId], 10)).map(({ messageId }) => messageId);
    },
  };
};

const longText = Array.from({ length: 400 }, (_, i) => `Sentence number ${i} of a long story.`).join(' ');

describe('a new message', () => {
  it('can be found by its words, in any language, with or without diacritics', async () => {
    const { handle, nearest } = embedding();
    const conversationId = aMessageCreated().conversationId;
    const coffee = aMessageCreated({ conversationId, content: 'Sáng mai đi uống cà phê nhé' });
    const hike = aMessageCreated({ conversationId, content: 'Bring boots for the hike' });
    await handle(coffee, hike);
    expect((await nearest('ca phe', coffee))[0]).toBe(coffee.data.messageId);
    expect((await nearest('hiking boots', hike))[0]).toBe(hike.data.messageId);
  });

  it('teaches the vocabulary its words, so that a typo finds it', async () => {
    const { handle, vocabulary } = embedding();
    await handle(aMessageCreated({ content: 'Bring coffee' }));
    expect(await vocabulary.respell(['cofee'])).toEqual([['coffee']]);
  });

  it('is announced with its model and its number of chunks', async () => {
    const { handle, embedder } = embedding();
    const message = aMessageCreated({ content: longText });
    const [announced] = await handle(message);
    expect(announced).toMatchObject({
      type: 'message.embedded',
      conversationId: message.conversationId,
      data: { messageId: message.data.messageId, seq: message.data.seq, messageVersion: 1, model: embedder.model },
    });
    expect(announced?.data.chunkCount).toBeGreaterThan(10);
  });

  it('gets chunks named after it, and the ledger knows how many', async () => {
    const { handle, vectors, entryOf, embedder } = embedding();
    const message = aMessageCreated({ content: longText });
    await handle(message);
    const ids = (await vectors.chunksOf([message.data.messageId])).map(({ id }) => id);
    expect(new Set(ids)).toEqual(new Set(ids.map((_, i) => `${message.data.messageId}#chunk_${i}`)));
    expect(await entryOf(message)).toEqual({
      messageId: message.data.messageId,
      version: 1,
      chunkCount: ids.length,
      model: embedder.model,
      state: 'indexed',
    });
  });
});

describe('the same event again', () => {
  it('costs the model nothing', async () => {
    const { handle, embedder } = embedding();
    const message = aMessageCreated();
    await handle(message);
    await handle(message);
    expect(embedder.asked).toEqual([message.data.content]);
  });

  it('is announced again with the same event id, because the first announcement may have died with its process', async () => {
    const { handle } = embedding();
    const message = aMessageCreated();
    const [first] = await handle(message);
    const [second] = await handle(message);
    expect(second).toEqual({ ...first, occurredAt: second?.occurredAt });
    expect(first?.eventId).toBe(derivedId('message.embedded', message.data.messageId, '1'));
  });

  it('is indexed anew when another model made its vectors', async () => {
    const { handle, entryOf, ledger, vectors } = embedding();
    const message = aMessageCreated();
    await handle(message);
    class NewModel extends PickyEmbedder {
      override readonly model = 'new' as 'picky';
    }
    const [announced, ...more] = await embedding({ embedder: new NewModel(), ledger, vectors }).handle(message);
    expect(announced?.data.model).toBe('new');
    expect(more).toEqual([]);
    expect((await entryOf(message))?.model).toBe('new');
  });
});

describe('an edited message', () => {
  it('has only the vectors of its newest version, also when it became shorter', async () => {
    const { handle, versionsOf } = embedding();
    const message = aMessageCreated({ content: longText });
    await handle(message);
    await handle(editOf(message, 'short'));
    expect(await versionsOf(message)).toEqual([2]);
  });

  it('never falls back to an older version that is delivered later', async () => {
    const { handle, versionsOf, nearest } = embedding();
    const message = aMessageCreated({ content: 'an old text about tea' });
    const other = aMessageCreated({ conversationId: message.conversationId, content: 'tea time' });
    await handle(editOf(message, 'a new text about coffee'), other);
    expect(await handle(message)).toEqual([]);
    expect(await versionsOf(message)).toEqual([2]);
    expect((await nearest('coffee', message))[0]).toBe(message.data.messageId);
  });

  it.each([
    ['in order', [1, 2, 3]],
    ['backwards', [3, 2, 1]],
    ['mixed', [2, 3, 1]],
  ])('ends with the newest of several versions in one batch, %s', async (_, order) => {
    const { handle, versionsOf } = embedding();
    const first = aMessageCreated();
    const versions = [first, editOf(first, 'second'), editOf(first, 'third', 3)];
    const announced = await handle(...versions.toSorted((a, b) => order.indexOf(a.data.version) - order.indexOf(b.data.version)));
    expect(announced.map(({ data }) => data.messageVersion)).toEqual([3]);
    expect(await versionsOf(first)).toEqual([3]);
  });

  it('ends with the newest version when two batches of one process hold two versions', async () => {
    const { handle, versionsOf } = embedding();
    const message = aMessageCreated();
    await Promise.all([handle(editOf(message, 'new')), handle(message)]);
    expect(await versionsOf(message)).toEqual([2]);
  });

  it('ends with the newest version when a slower process wrote an older one in between', async () => {
    const { handle, ledger, vectors, anotherProcess, versionsOf } = embedding();
    const message = aMessageCreated();
    const edit = editOf(message, 'new');
    ledger.beforeRecord = async () => anotherProcess().handle(message); // its vectors are the last ones written, its entry the first one
    await handle(edit);
    expect(await versionsOf(message)).toEqual([2]);
    expect(await vectors.chunksOf([message.data.messageId])).toHaveLength(1);
  });
});

describe('a deleted message', () => {
  it('has no vectors, and nothing is announced', async () => {
    const { handle, versionsOf, entryOf } = embedding();
    const message = aMessageCreated({ content: longText });
    await handle(message);
    expect(await handle(deletionOf(message))).toEqual([]);
    expect(await versionsOf(message)).toEqual([]);
    expect(await entryOf(message)).toMatchObject({ state: 'removed', version: 2, chunkCount: 0 });
  });

  it('stays deleted when its creation or an edit is delivered later', async () => {
    const { handle, versionsOf } = embedding();
    const message = aMessageCreated();
    const edit = editOf(message, 'new');
    await handle(deletionOf(message, 3));
    expect(await handle(edit, message)).toEqual([]);
    expect(await versionsOf(message)).toEqual([]);
  });

  it('stays deleted when another process removed it while this one was embedding it', async () => {
    const { handle, ledger, anotherProcess, versionsOf, entryOf } = embedding();
    const message = aMessageCreated();
    ledger.beforeRecord = async () => anotherProcess().handle(deletionOf(message));
    expect(await handle(message)).toEqual([]);
    expect(await versionsOf(message)).toEqual([]);
    expect(await entryOf(message)).toMatchObject({ state: 'removed', version: 2 });
  });
});

describe('a text that the model refuses', () => {
  it('fails its batch without leaving a trace, so that the bus can try its neighbours alone', async () => {
    const { handle, versionsOf, entryOf } = embedding({ embedder: new PickyEmbedder((text) => text === 'poison') });
    const [neighbour, poison] = [aMessageCreated(), aMessageCreated({ content: 'poison' })];
    await expect(handle(neighbour, poison)).rejects.toThrow(TextRejected);
    expect([...(await versionsOf(neighbour)), await entryOf(neighbour)]).toEqual([undefined]);
    expect(await handle(neighbour)).toHaveLength(1);
  });

  it('is shown as failed once it is a dead letter, and as indexed once that is replayed', async () => {
    const ledger = new ContestedLedger();
    const vectors = new MemoryVectorStore(384);
    const { embedder, entryOf, handle, versionsOf } = embedding({ ledger, vectors });
    const message = aMessageCreated();
    await new MarkFailed(ledger, embedder).mark(message);
    expect(await entryOf(message)).toMatchObject({ state: 'failed', version: 1 });
    expect(await handle(message)).toHaveLength(1);
    expect(await entryOf(message)).toMatchObject({ state: 'indexed' });
    expect(await versionsOf(message)).toEqual([1]);
  });

  it('stays indexed when an older dead letter is reported late', async () => {
    const { handle, ledger, embedder, entryOf } = embedding();
    const message = aMessageCreated();
    await handle(editOf(message, 'new'));
    await new MarkFailed(ledger, embedder).mark(message);
    expect(await entryOf(message)).toMatchObject({ state: 'indexed', version: 2 });
  });
});

describe('told to make vectors anew', () => {
  it('makes them although the ledger says that they are there, and leaves nothing of what was there instead', async () => {
    const { handle, vectors, versionsOf, entryOf } = embedding();
    const message = aMessageCreated({ content: 'short' });
    await handle(message);
    const { messageId } = message.data;
    const stray = aMessageCreated({ ...message.data, content: longText });
    const chunks = chunkMessage(stray.data);
    await vectors.replace(chunks, await new LocalEmbedder().embed(chunks.map(({ text }) => text)), { removed: [] });
    expect((await versionsOf(message)).length).toBeGreaterThan(1);

    expect(await handle(rebuildOf(message))).toMatchObject([{ type: 'message.embedded', data: { messageId, messageVersion: 1 } }]);
    expect(await versionsOf(message)).toEqual([1]);
    await vectors.replace([], [], { removed: [messageId] });
    await handle(message, rebuildOf(message));
    expect(await versionsOf(message)).toEqual([1]);
    expect(await entryOf(message)).toMatchObject({ state: 'indexed', version: 1, chunkCount: 1 });
  });

  it('never lets an older version come back', async () => {
    const { handle, versionsOf } = embedding();
    const message = aMessageCreated();
    await handle(message, editOf(message, 'newer'));
    expect(await handle(rebuildOf(message))).toEqual([]);
    expect(await versionsOf(message)).toEqual([2]);
  });

  it('removes what is left of a deleted message', async () => {
    const { handle, versionsOf, entryOf } = embedding();
    const message = aMessageCreated();
    await handle(message);
    const deleted = rebuildOf(aMessageCreated({ ...message.data, version: 2 }));
    expect(await handle({ ...deleted, data: { ...deleted.data, content: null } })).toEqual([]);
    expect(await versionsOf(message)).toEqual([]);
    expect(await entryOf(message)).toMatchObject({ state: 'removed', version: 2 });
  });
});
