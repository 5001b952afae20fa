import { describe, expect, it } from 'vitest';
import { Postpone } from '#lib/bus/outcome';
import type { IndexingEvent, MessageCreated, MessageEvent } from '#lib/contracts/events';
import { derivedId } from '#lib/contracts/ids';
import { aMessageCreated, deletionOf, editOf, rebuildOf } from '#lib/testing/builders';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { MemoryChunkLedger } from '#lib/vectors/ledger/adapters/memory-chunk-ledger';
import { MemoryVectorStore } from '#lib/vectors/store/adapters/memory-vector-store';
import { chunkMessage } from '#lib/vectors/chunking/chunk-message';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';
import { EmbedderPort, TextRejected } from '#lib/vectors/embedder/embedder.port';
import { MemoryVectorWrites } from '#lib/vectors/store/adapters/memory-vector-writes';
import { DependencyError } from '#lib/resilience/call/errors';
import { MemoryCurrentMessages } from './adapters/memory-current-messages.js';
import { MemoryDocumentIndexing } from './adapters/memory-document-indexing.js';
import { IndexMessages } from './index-messages.js';
import { MarkFailed } from './mark-failed.js';
import { WriteVectors } from './write-vectors.js';

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

/** A vector store that is as slow, or as broken, as a test wants it to be for the writes of one version. */
class SlowVectorStore extends MemoryVectorStore {
  private readonly held = new Map<number, () => Promise<unknown>>();

  constructor() {
    super(384);
  }

  /** What happens when the next write of `version` arrives, before it is executed. */
  beforeWriteOf(version: number, meanwhile: () => Promise<unknown>): void {
    this.held.set(version, meanwhile);
  }

  override async replace(...[chunks, embeddings, also]: Parameters<MemoryVectorStore['replace']>) {
    const version = chunks[0]?.version ?? 0;
    const meanwhile = this.held.get(version);
    this.held.delete(version);
    await meanwhile?.();
    return super.replace(chunks, embeddings, also);
  }
}

const embedding = ({
  embedder = new PickyEmbedder(),
  ledger = new ContestedLedger(),
  vectors = new SlowVectorStore(),
  writes = new MemoryVectorWrites(),
  messages = new MemoryCurrentMessages(ledger),
} = {}) => {
  const indexMessages = new IndexMessages(messages, ledger, embedder, vectors, new WriteVectors(vectors, writes));
  return {
    embedder,
    ledger,
    vectors,
    writes,
    messages,
    commit: (...events: IndexingEvent[]) => {
      for (const event of events) messages.commit(event);
    },
    /** Events as they are delivered, whatever Postgres has. */
    deliver: (...events: IndexingEvent[]) => indexMessages.handle(events),
    /** What is committed is delivered. */
    handle: (...events: IndexingEvent[]) => {
      for (const event of events) messages.commit(event);
      return indexMessages.handle(events);
    },
    anotherProcess: () => embedding({ embedder, ledger, vectors, writes, messages }),
    versionsOf: async ({ data: { messageId } }: MessageEvent) => (await vectors.chunksOf([messageId])).map(({ version }) => version),
    entryOf: async ({ data: { messageId } }: MessageEvent) => (await ledger.entriesOf([messageId])).get(messageId),
    unsettled: async () => (await writes.unsettled(0, 0, 100)).flatMap(({ messageIds }) => messageIds),
    nearest: async (text: string, { conversationId }: Pick<MessageEvent, 'conversationId'>) => {
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
    const { embedder, messages, commit, entryOf, handle, versionsOf } = embedding({ ledger });
    const message = aMessageCreated();
    commit(message);
    await new MarkFailed(messages, ledger, embedder, new MemoryDocumentIndexing(new MemoryChunkLedger())).mark(message);
    expect(await entryOf(message)).toMatchObject({ state: 'failed', version: 1 });
    expect(await handle(message)).toHaveLength(1);
    expect(await entryOf(message)).toMatchObject({ state: 'indexed' });
    expect(await versionsOf(message)).toEqual([1]);
  });

  it('stays indexed when an older dead letter is reported late', async () => {
    const { handle, ledger, messages, embedder, entryOf } = embedding();
    const message = aMessageCreated();
    await handle(editOf(message, 'new'));
    await new MarkFailed(messages, ledger, embedder, new MemoryDocumentIndexing(new MemoryChunkLedger())).mark(message);
    expect(await entryOf(message)).toMatchObject({ state: 'indexed', version: 2 });
  });
});

describe('an order to make vectors anew', () => {
  it('makes them although the ledger says that they are there, and leaves no other vectors behind', async () => {
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

  it('makes those of the newest version, whatever version it names', async () => {
    const { handle, deliver, vectors, versionsOf } = embedding();
    const message = aMessageCreated();
    await handle(message, editOf(message, 'newer'));
    await vectors.replace([], [], { removed: [message.data.messageId] });
    expect(await deliver(rebuildOf(message))).toMatchObject([{ data: { messageVersion: 2 } }]);
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

/** Forged and repeated events (attack S16). */
describe('an event that does not say what Postgres says', () => {
  const FORGED_VERSION = 2_147_483_647;

  it('cannot remove a message that is not deleted, nor keep its later versions out', async () => {
    const { handle, deliver, versionsOf, entryOf } = embedding();
    const message = aMessageCreated();
    await handle(message);
    expect(await deliver(deletionOf(message, FORGED_VERSION))).toEqual([]);
    expect(await versionsOf(message)).toEqual([1]);
    expect(await entryOf(message)).toMatchObject({ state: 'indexed', version: 1 });
    await handle(editOf(message, 'a new text'));
    expect(await versionsOf(message)).toEqual([2]);
  });

  it('cannot put a text into the index that is not the text of the message', async () => {
    const { handle, deliver, nearest, versionsOf } = embedding();
    const message = aMessageCreated({ content: 'the train leaves at nine' });
    const other = aMessageCreated({ conversationId: message.conversationId, content: 'coffee and cake' });
    await handle(other);
    await deliver(editOf(message, 'coffee and cake', 7)); // the message is not even committed yet
    await handle(message);
    await deliver(editOf(message, 'coffee and cake', 7), { ...message, data: { ...message.data, content: 'coffee and cake' } });
    expect(await versionsOf(message)).toEqual([1]);
    expect((await nearest('coffee and cake', message))[0]).toBe(other.data.messageId);
    expect((await nearest('the train leaves at nine', message))[0]).toBe(message.data.messageId);
  });

  it('cannot move a message into another conversation or give it another sender', async () => {
    const { commit, deliver, nearest, vectors } = embedding();
    const message = aMessageCreated();
    const stranger = aMessageCreated().conversationId;
    commit(message);
    const [announced] = await deliver({
      ...message,
      conversationId: stranger,
      data: { ...message.data, conversationId: stranger, senderId: 'mallory' },
    });
    expect(announced).toMatchObject({ conversationId: message.conversationId, data: { conversationId: message.conversationId } });
    expect(await nearest(message.data.content, { conversationId: stranger })).toEqual([]);
    const [query = new Float32Array(384)] = await new LocalEmbedder().embed([message.data.content]);
    expect(await vectors.nearest(query, [message.conversationId], 5, { senderId: 'mallory' })).toEqual([]);
    expect(await nearest(message.data.content, message)).toEqual([message.data.messageId]);
  });

  it('has no effect when there is no such message', async () => {
    const { deliver, versionsOf, entryOf, handle, embedder } = embedding();
    const unknown = aMessageCreated({ content: 'never committed' });
    const real = aMessageCreated();
    await handle(real);
    expect(await deliver(unknown, deletionOf(unknown, FORGED_VERSION), rebuildOf(unknown))).toEqual([]);
    expect([...(await versionsOf(unknown)), await entryOf(unknown)]).toEqual([undefined]);
    expect(embedder.asked).not.toContain('never committed');
  });

  it('indexes nothing when it comes again after the message was edited or deleted', async () => {
    const { handle, deliver, versionsOf, embedder } = embedding();
    const message = aMessageCreated({ content: 'first' });
    const gone = aMessageCreated({ content: 'gone' });
    await handle(message, gone);
    await handle(editOf(message, 'second'), deletionOf(gone));
    embedder.asked.length = 0;
    expect(await deliver(message, gone)).toEqual([]);
    expect([await versionsOf(message), await versionsOf(gone), embedder.asked]).toEqual([[2], [], []]);
  });

  it('cannot write a version into the ledger that the message does not have by being given up on', async () => {
    const { handle, messages, ledger, embedder, entryOf } = embedding();
    const message = aMessageCreated();
    await handle(message);
    const markFailed = new MarkFailed(messages, ledger, embedder, new MemoryDocumentIndexing(new MemoryChunkLedger()));
    const unknown = aMessageCreated();
    await markFailed.mark(editOf(message, 'forged', FORGED_VERSION));
    await markFailed.mark(unknown);
    expect([(await entryOf(message))?.state, await entryOf(unknown)]).toEqual(['indexed', undefined]);
  });

  it.each([
    ['any event about it', (message: MessageCreated) => message],
    ['a rebuild', rebuildOf],
  ])('is healed from by %s when an earlier version of Parley believed it', async (_, next) => {
    const { commit, deliver, ledger, vectors, versionsOf, entryOf, nearest } = embedding();
    const message = aMessageCreated({ content: 'a short text' });
    const { messageId } = message.data;
    commit(message);
    const forged = chunkMessage({ ...message.data, content: longText, version: FORGED_VERSION });
    await vectors.replace(forged, await new LocalEmbedder().embed(forged.map(({ text }) => text)), { removed: [] });
    await ledger.record([{ messageId, version: FORGED_VERSION, chunkCount: forged.length, model: 'picky', state: 'indexed' }]);
    expect(await deliver(next(message))).toMatchObject([{ data: { messageVersion: 1 } }]);
    expect(await versionsOf(message)).toEqual([1]);
    expect(await entryOf(message)).toMatchObject({ version: 1, state: 'indexed', chunkCount: 1 });
    expect(await nearest('a short text', message)).toEqual([messageId]);
  });
});

/** R2: each of these left the text of version 1 in the index for good. */
describe('two processes that index two versions of one message', () => {
  const edited = () => {
    const message = aMessageCreated({ content: 'an old text about tea' });
    return { message, edit: editOf(message, 'a new text about coffee') };
  };

  it('end with the newest one when the write of the older one lands last', async () => {
    const { handle, anotherProcess, vectors, versionsOf, entryOf } = embedding();
    const { message, edit } = edited();
    vectors.beforeWriteOf(1, () => anotherProcess().handle(edit));
    expect(await handle(message)).toMatchObject([{ data: { messageVersion: 2 } }]);
    expect(await versionsOf(message)).toEqual([2]);
    expect(await entryOf(message)).toMatchObject({ version: 2, state: 'indexed' });
  });

  it('end with the newest one when the older one is written after it and recorded before it', async () => {
    const { handle, commit, deliver, ledger, anotherProcess, versionsOf, entryOf, messages, vectors } = embedding();
    const { message, edit } = edited();
    commit(message);
    const slow = anotherProcess();
    const older = Promise.withResolvers<void>();
    // The slow one has read version 1 before the edit; its write and its entry come between the write and the entry of the edit.
    const read = Promise.withResolvers<void>();
    vectors.beforeWriteOf(1, async () => {
      read.resolve();
      await older.promise;
    });
    const writing = slow.deliver(message);
    await read.promise;
    messages.commit(edit);
    ledger.beforeRecord = async () => {
      older.resolve();
      await writing;
    };
    await deliver(edit);
    expect(await versionsOf(message)).toEqual([2]);
    expect(await entryOf(message)).toMatchObject({ version: 2 });
    await handle(message);
    expect(await versionsOf(message)).toEqual([2]);
  });

  it('end with the newest one when the slower one dies between its write and its entry, and its event comes again', async () => {
    const { commit, deliver, ledger, anotherProcess, vectors, versionsOf } = embedding();
    const { message, edit } = edited();
    commit(message);
    vectors.beforeWriteOf(1, async () => {
      await anotherProcess().handle(edit);
      ledger.beforeRecord = () => Promise.reject(new Error('the process died'));
    });
    await expect(deliver(message)).rejects.toThrow('the process died');
    expect(await versionsOf(message)).toEqual([1]); // the damage
    await anotherProcess().deliver(message);
    expect(await versionsOf(message)).toEqual([2]);
  });

  it('end without vectors when the message is deleted and the older write lands last', async () => {
    const { handle, anotherProcess, vectors, versionsOf, entryOf } = embedding();
    const { message } = edited();
    vectors.beforeWriteOf(1, () => anotherProcess().handle(deletionOf(message)));
    expect(await handle(message)).toEqual([]);
    expect(await versionsOf(message)).toEqual([]);
    expect(await entryOf(message)).toMatchObject({ version: 2, state: 'removed' });
  });

  it('try again later, which is no failed attempt, when the message is edited as fast as it is indexed', async () => {
    const { commit, deliver, ledger, anotherProcess, versionsOf } = embedding();
    const { message } = edited();
    commit(message);
    let version = 1;
    const race = async () => {
      version += 1;
      await anotherProcess().handle(editOf(message, `text ${version}`, version));
      ledger.beforeRecord = race;
    };
    ledger.beforeRecord = race;
    await expect(deliver(message)).rejects.toThrow(Postpone);
    ledger.beforeRecord = undefined;
    await deliver(message);
    expect(await versionsOf(message)).toEqual([version]);
  });
});

describe('a write to the vector store', () => {
  it('leaves no note when the store has answered, whatever it said', async () => {
    const { handle, vectors, unsettled } = embedding();
    await handle(aMessageCreated());
    vectors.beforeWriteOf(1, () => Promise.reject(new Error('answered 400')));
    await expect(handle(aMessageCreated())).rejects.toThrow('answered 400');
    vectors.beforeWriteOf(1, () => Promise.reject(new DependencyError('chroma', 'upsert', 'open')));
    await expect(handle(aMessageCreated())).rejects.toThrow('open');
    expect(await unsettled()).toEqual([]);
  });

  it('leaves a note of what it was about when there was no answer: it may be executed later', async () => {
    const { handle, vectors, unsettled } = embedding();
    const message = aMessageCreated();
    vectors.beforeWriteOf(1, () => Promise.reject(new DependencyError('chroma', 'upsert', 'timeout')));
    await expect(handle(message)).rejects.toThrow('timeout');
    expect(await unsettled()).toEqual([message.data.messageId]);
  });
});
