import { beforeEach, describe, expect, it } from 'vitest';
import type { SearchQuery } from '#lib/contracts/http';
import { SearchQuery as SearchQuerySchema } from '#lib/contracts/http';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import { MemoryConversationStore } from '#lib/conversations/adapters/memory-conversation-store';
import { MemoryMessageStore } from '#lib/conversations/adapters/memory-message-store';
import type { Message } from '#lib/conversations/message';
import { aDocument } from '#lib/conversations/documents/document-store.contract';
import { MemoryDocumentStore } from '#lib/conversations/documents/adapters/memory-document-store';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { Semaphore, SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { DependencyError } from '#lib/resilience/call/errors';
import { createLogger } from '#lib/runtime/log/logger';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { MemoryVectorStore } from '#lib/vectors/store/adapters/memory-vector-store';
import { chunkMessage } from '#lib/vectors/chunking/chunk-message';
import { InlineTextWork } from '../adapters/search/inline-text-work.js';
import { LexicalOverlapReranker } from '../adapters/search/lexical-overlap-reranker.js';
import { MemoryLexicalIndex } from '../adapters/search/memory-lexical-index.js';
import { type LexicalHit, LexicalIndexPort } from './lexical-index.port.js';
import { LOCAL_NOISE_FLOOR, NearestMessages } from './nearest-messages.js';
import { RerankerPort } from './reranker.port.js';
import type { TextWorkPort } from './text-work.port.js';
import { SearchMessages } from './search-messages.js';

const logged: string[] = [];
const logger = createLogger('test', 'error', { write: (line) => void logged.push(line) });

/** A stage that is not there, in the ways in which it can be not there. */
const outage = new DependencyError('chroma', 'query', 'unavailable');
class FailingLexicalIndex extends LexicalIndexPort {
  override find(): Promise<LexicalHit[]> {
    return Promise.reject(new DependencyError('postgres', 'reads', 'timeout'));
  }
}
class FailingReranker extends RerankerPort {
  constructor(private readonly error: Error) {
    super();
  }
  override rerank(): Promise<number[]> {
    return Promise.reject(this.error);
  }
}
class FixedIndex extends LexicalIndexPort {
  constructor(private readonly ids: readonly MessageId[]) {
    super();
  }
  override find(): Promise<LexicalHit[]> {
    return Promise.resolve(this.ids.map((messageId, index) => ({ messageId, score: 1 / (1 + index) })));
  }
}
class SilentLexicalIndex extends LexicalIndexPort {
  override find(): Promise<LexicalHit[]> {
    return new Promise(() => undefined);
  }
}

interface Stages {
  lexical?: LexicalIndexPort;
  nearest?: NearestMessages;
  reranker?: RerankerPort;
  text?: TextWorkPort;
  semaphore?: Semaphore;
}

let archive: MemoryArchive;
let documents: MemoryDocumentStore;
let messages: MemoryMessageStore;
let conversations: MemoryConversationStore;
let vectors: MemoryVectorStore;
const embedder = new LocalEmbedder();
const inline = new InlineTextWork();

beforeEach(() => {
  logged.length = 0;
  archive = new MemoryArchive();
  messages = new MemoryMessageStore(archive, new MemoryOutbox());
  conversations = new MemoryConversationStore(archive, new MemoryOutbox());
  documents = new MemoryDocumentStore(archive, new MemoryOutbox());
  vectors = new MemoryVectorStore(embedder.dimension);
});

const said = async (conversationId: ConversationId, content: string, senderId: UserId = 'alice'): Promise<Message> => {
  const { message } = await messages.store({ conversationId, senderId, content, priority: 'normal' });
  return message;
};
const indexed = async (message: Message): Promise<void> => {
  const chunks = chunkMessage({ ...message, messageId: message.id, createdAt: message.createdAt.toISOString() });
  await vectors.replace(chunks, await embedder.embed(chunks.map(({ text }) => text)), { removed: [] });
};
const conversationOf = async (...memberIds: UserId[]): Promise<ConversationId> =>
  (await conversations.create({ title: null, creatorId: memberIds[0] ?? 'alice', memberIds })).id;

const searcher = ({ lexical, nearest, reranker, text, semaphore }: Stages = {}) =>
  new SearchMessages(
    conversations,
    messages,
    documents,
    {
      lexical:
        lexical ??
        new MemoryLexicalIndex(
          () => [...archive.conversations.values()].flatMap((conversation) => conversation.messages),
          () => documents.parts,
        ),
      nearest: nearest ?? new NearestMessages(() => ({ embedder, vectors }), LOCAL_NOISE_FLOOR),
      reranker: reranker ?? new LexicalOverlapReranker(text ?? inline),
      text: text ?? inline,
    },
    semaphore ?? new Semaphore('test', { concurrent: 4, queued: 4 }),
    logger,
  );
const withoutMeaning = new NearestMessages(() => {
  throw outage;
}, 0);
const query = (facts: Partial<Record<keyof SearchQuery, unknown>>): SearchQuery =>
  SearchQuerySchema.parse({ q: 'coffee', ...Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, String(value)])) });
const search = (facts: Partial<Record<keyof SearchQuery, unknown>> = {}, stages: Stages = {}, reader: UserId = 'alice') =>
  searcher(stages).execute(query(facts), reader);
const idsOf = ({ items }: { items: readonly { message: { id: MessageId } }[] }) => items.map(({ message }) => message.id);

describe('hybrid search', () => {
  it('puts what both stages found before what one of them found, and says who found what', async () => {
    const conversationId = await conversationOf('alice');
    const onlyWords = await said(conversationId, 'coffee for all of us'); // not embedded yet
    const both = await said(conversationId, 'coffee machine is broken');
    await indexed(both);
    const found = await search({ q: 'coffee machine', explain: true });
    expect(idsOf(found)).toEqual([both.id, onlyWords.id]);
    expect(found.degraded).toEqual([]);
    expect(found.items[0]).toMatchObject({
      ranks: { dense: 1, sparse: 1, rrf: 1 },
      highlight: '<mark>coffee</mark> <mark>machine</mark> is broken',
      explain: { denseScore: expect.any(Number), sparseScore: expect.any(Number), rrfScore: 1 / 61 + 1 / 61 },
    });
    expect(found.items[1]?.ranks).toEqual({ dense: undefined, sparse: 2, rrf: 2 });
  });

  it('explains itself only when asked', async () => {
    await said(await conversationOf('alice'), 'coffee');
    expect((await search()).items[0]).not.toHaveProperty('explain');
  });

  it('finds a message once, however many of its chunks come near', async () => {
    const conversationId = await conversationOf('alice');
    const long = await said(conversationId, Array.from({ length: 200 }, (_, i) => `All about coffee, part ${i}.`).join('\n\n'));
    await indexed(long);
    expect(idsOf(await search({ mode: 'dense' }))).toEqual([long.id]);
  });

  it('gives no more than the limit', async () => {
    const conversationId = await conversationOf('alice');
    for (let i = 0; i < 10; i += 1) await said(conversationId, `coffee ${i}`);
    expect((await search({ limit: 3 })).items).toHaveLength(3);
  });
});

describe('what a reader may not see', () => {
  it('is not found, by words or by meaning', async () => {
    const theirs = await said(await conversationOf('bob'), 'coffee secrets', 'bob');
    await indexed(theirs);
    const mine = await said(await conversationOf('alice'), 'coffee for me');
    await indexed(mine);
    for (const mode of ['hybrid', 'dense', 'sparse']) expect(idsOf(await search({ mode }))).toEqual([mine.id]);
    expect(idsOf(await search({ senderId: 'bob' }))).toEqual([]);
  });

  it('is not shown even by a stage that forgets to filter', async () => {
    const theirs = await said(await conversationOf('bob'), 'coffee secrets', 'bob');
    await conversationOf('alice');
    expect((await search({ mode: 'sparse' }, { lexical: new FixedIndex([theirs.id]) })).items).toEqual([]);
  });

  it('does not exist when it is a conversation', async () => {
    const conversationId = await conversationOf('bob');
    await expect(search({ conversationId })).rejects.toMatchObject({ code: 'not-found' });
  });

  it('is everything for a user without conversations, and costs no call', async () => {
    expect(await search({}, { lexical: new FailingLexicalIndex(), nearest: withoutMeaning }, 'stranger')).toEqual({
      items: [],
      degraded: [],
    });
  });
});

it('a search stays within one conversation when told to', async () => {
  const here = await conversationOf('alice');
  const there = await conversationOf('alice');
  const message = await said(here, 'coffee');
  await said(there, 'coffee');
  expect(idsOf(await search({ conversationId: here }))).toEqual([message.id]);
});

it('a search hides a message that was deleted after its vectors were found', async () => {
  const conversationId = await conversationOf('alice');
  const message = await said(conversationId, 'coffee');
  await indexed(message);
  archive.conversations.get(conversationId)?.messages.splice(0, 1, { ...message, content: '', deletedAt: new Date() });
  expect((await search({ mode: 'dense' })).items).toEqual([]);
});

describe('hybrid search without one of its stages', () => {
  it('answers by words when meaning is away, and says so', async () => {
    const message = await said(await conversationOf('alice'), 'coffee');
    for (const mode of ['hybrid', 'dense']) {
      const found = await search({ mode }, { nearest: withoutMeaning });
      expect(idsOf(found)).toEqual([message.id]);
      expect(found.degraded).toEqual(['dense']);
    }
    expect(logged).toEqual([]);
  });

  it('answers by meaning when the index of words is away', async () => {
    const message = await said(await conversationOf('alice'), 'coffee');
    await indexed(message);
    const found = await search({}, { lexical: new FailingLexicalIndex() });
    expect(idsOf(found)).toEqual([message.id]);
    expect(found.degraded).toEqual(['sparse']);
  });

  it('does not pretend to have searched when both are away', async () => {
    await conversationOf('alice');
    const stages = { lexical: new FailingLexicalIndex(), nearest: withoutMeaning };
    for (const mode of ['hybrid', 'dense', 'sparse']) await expect(search({ mode }, stages)).rejects.toThrow(DependencyError);
  });

  it('goes on after an unexpected error, and leaves a trace of it', async () => {
    const message = await said(await conversationOf('alice'), 'coffee');
    const broken = new NearestMessages(() => {
      throw new TypeError('a bug');
    }, 0);
    expect(idsOf(await search({}, { nearest: broken }))).toEqual([message.id]);
    expect(logged.join()).toContain('search stage failed');
  });

  it('does not wait for a stage that does not answer', async () => {
    await said(await conversationOf('alice'), 'coffee');
    const startedAt = performance.now();
    const found = await search({}, { lexical: new SilentLexicalIndex() });
    // A stage has 2 s; this one would never answer.
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    expect(found.degraded).toEqual(['sparse']);
  });
});

describe('reranking', () => {
  it('orders the fused hits anew and keeps their other places', async () => {
    const conversationId = await conversationOf('alice');
    const exact = await said(conversationId, 'a broken machine for coffee: the coffee machine');
    const scattered = await said(conversationId, 'machine coffee');
    const lexical = new FixedIndex([scattered.id, exact.id]);
    const found = await search({ q: 'coffee machine', rerank: true, mode: 'sparse', explain: true }, { lexical });
    expect(idsOf(found)).toEqual([exact.id, scattered.id]);
    expect(found.items[0]).toMatchObject({ ranks: { rerank: 1, sparse: 2, rrf: 2 }, explain: { rerankScore: found.items[0]?.score } });
  });

  it.each([
    ['away', outage],
    ['broken', new Error('out of memory')],
  ])('that is %s leaves the order as it was', async (_, error) => {
    const conversationId = await conversationOf('alice');
    await said(conversationId, 'coffee one');
    await said(conversationId, 'coffee two');
    const plain = await search();
    const found = await search({ rerank: true }, { reranker: new FailingReranker(error) });
    expect(idsOf(found)).toEqual(idsOf(plain));
    expect(found.degraded).toEqual(['rerank']);
  });

  it('reads a bounded part of long candidates; the rest keeps its order behind them, and `degraded` says so', async () => {
    const conversationId = await conversationOf('alice');
    for (let i = 0; i < 30; i += 1) await said(conversationId, `coffee ${i} ${'words '.repeat(2_700)}`);
    const best = await search({ mode: 'sparse', limit: 50 });
    const units: number[] = [];
    class Counting extends RerankerPort {
      override async rerank(_: string, texts: readonly string[]): Promise<number[]> {
        units.push(...texts.map(({ length }) => length));
        return texts.map((__, i) => i / 100);
      }
    }
    const found = await search({ mode: 'sparse', rerank: true, limit: 50 }, { reranker: new Counting() });
    expect(units.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(200_000);
    expect(found.degraded).toEqual(['rerank']);
    expect(idsOf(found)).toHaveLength(30);
    expect(idsOf(found).slice(units.length)).toEqual(idsOf(best).slice(units.length));
    const scores = found.items.map(({ score }) => score);
    expect(scores).toEqual(scores.toSorted((one, other) => other - one));
  });
});

describe('excerpts', () => {
  it('are the beginnings of the texts when there is no room to look for words', async () => {
    const conversationId = await conversationOf('alice');
    await said(conversationId, 'a <b> coffee');
    const text = new InlineTextWork();
    text.excerpts = async () => {
      throw new SemaphoreFull('text');
    };
    const found = await search({ mode: 'sparse' }, { text });
    expect(found.items.map(({ highlight }) => highlight)).toEqual(['a &lt;b&gt; coffee']);
    expect(found.degraded).toEqual([]);
  });
});

it('a search is refused at once when as many wait as may', async () => {
  await conversationOf('alice');
  const semaphore = new Semaphore('test', { concurrent: 1, queued: 1 });
  const stages = { lexical: new SilentLexicalIndex(), semaphore };
  const running = [search({ mode: 'sparse' }, stages), search({ mode: 'sparse' }, stages)];
  await expect(search({ mode: 'sparse' }, stages)).rejects.toMatchObject({ code: 'overloaded', retryAfterSeconds: 1 });
  await Promise.allSettled(running);
});

it('a search says when it did not look through all conversations of the reader', async () => {
  const own = await conversationOf('alice');
  const hit = await said(own, 'coffee');
  for (let i = 0; i < 10_000; i += 1) await conversationOf('mallory', 'alice');
  const found = await search({ mode: 'sparse' });
  expect([idsOf(found), found.degraded]).toEqual([[hit.id], ['visibility']]);
  expect((await search({ mode: 'sparse', conversationId: own })).degraded).toEqual([]);
});

describe('a search where there are documents', () => {
  /** Uploads a document of these parts and makes the vectors of each. */
  const uploaded = async (conversationId: ConversationId, parts: readonly string[], ownerId: UserId = 'alice') => {
    const { document } = await documents.store(aDocument(parts, { conversationId, ownerId }));
    for (const { id, documentId, place, createdAt, content } of documents.parts.filter(({ documentId }) => documentId === document.id)) {
      const source = { messageId: id, documentId, conversationId, senderId: ownerId, seq: place, version: 1, content };
      const chunks = chunkMessage({ ...source, createdAt: createdAt.toISOString() });
      await vectors.replace(chunks, await embedder.embed(chunks.map(({ text }) => text)), { removed: [] });
    }
    return document;
  };
  const filler = 'Nothing to see here, move along please. '.repeat(60);

  it.each(['hybrid', 'dense', 'sparse'])('finds messages and documents, each as what it is (%s)', async (mode) => {
    const conversationId = await conversationOf('alice');
    const message = await said(conversationId, 'the zeppelin hangar is far away');
    await indexed(message);
    const document = await uploaded(conversationId, [
      'Something else',
      `${filler}\n\n${'The zeppelin hangar is closed. '.repeat(20)}\n\n${filler}`,
    ]);
    const { items, degraded } = await search({ q: 'zeppelin hangar', mode });
    expect(degraded).toEqual([]);
    expect(items.map(({ kind, message: { id } }) => `${kind} ${id}`).sort()).toEqual([`document ${document.id}`, `message ${message.id}`]);
    const hit = items.find(({ kind }) => kind === 'document');
    expect(hit).toMatchObject({
      document: { id: document.id, title: 'House rules', part: 2 },
      message: { seq: 0, senderId: 'alice', version: 1, conversationId },
    });
    expect(hit?.message.content).toContain('zeppelin hangar is closed');
    expect(hit?.message.content.length).toBeLessThanOrEqual(1_000);
    expect(hit?.highlight).toContain('<mark>zeppelin</mark>');
  });

  it('shows a document once, and messages however much of a document fits better', async () => {
    const conversationId = await conversationOf('alice');
    const message = await said(conversationId, 'coffee with a lot of other words that make it a worse answer than any of the others');
    await indexed(message);
    await uploaded(
      conversationId,
      Array.from({ length: 150 }, () => 'coffee'),
    );
    const { items } = await search({ q: 'coffee' });
    expect(items.map(({ kind }) => kind).sort()).toEqual(['document', 'message']);
  });

  it('keeps them from strangers, and to the filters of the query', async () => {
    const conversationId = await conversationOf('alice', 'bob');
    await uploaded(conversationId, ['coffee'], 'bob');
    expect((await search({}, {}, 'mallory')).items).toEqual([]);
    expect((await search({ senderId: 'alice' })).items).toEqual([]);
    expect((await search({ senderId: 'bob' })).items).toHaveLength(1);
    expect((await search({ to: '2020-01-01T00:00:00Z' })).items).toEqual([]);
    expect((await search({ rerank: true })).items).toMatchObject([{ kind: 'document', ranks: { rerank: 1 } }]);
  });

  it('finds them by words alone when there is no vector store, and says so', async () => {
    await uploaded(await conversationOf('alice'), ['coffee']);
    const { items, degraded } = await search({}, { nearest: withoutMeaning });
    expect([items.length, degraded]).toEqual([1, ['dense']]);
  });

  it('gives a caller that wants messages no documents', async () => {
    const conversationId = await conversationOf('alice');
    await uploaded(conversationId, ['coffee']);
    expect((await searcher().find(query({}), 'alice')).messages).toEqual([]);
  });
});
