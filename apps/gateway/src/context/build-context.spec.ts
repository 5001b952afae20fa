import { beforeEach, describe, expect, it } from 'vitest';
import type { ContextRequest } from '#lib/contracts/http';
import { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import { MemoryConversationStore } from '#lib/conversations/adapters/memory-conversation-store';
import { MemoryMessageStore } from '#lib/conversations/adapters/memory-message-store';
import type { Message } from '#lib/conversations/message';
import { MemoryDocumentStore } from '#lib/conversations/documents/adapters/memory-document-store';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { createLogger } from '#lib/runtime/log/logger';
import { DependencyError } from '#lib/resilience/call/errors';
import { LocalEmbedder } from '#lib/vectors/embedder/adapters/local-embedder';
import { MemoryChunkLedger } from '#lib/vectors/ledger/adapters/memory-chunk-ledger';
import { MemoryVectorStore } from '#lib/vectors/store/adapters/memory-vector-store';
import { chunkMessage } from '#lib/vectors/chunking/chunk-message';
import { InlineTextWork } from '../adapters/search/inline-text-work.js';
import { CachedTokenCounter } from '../adapters/search/cached-token-counter.js';
import { MemoryLexicalIndex } from '../adapters/search/memory-lexical-index.js';
import { NearestMessages } from '../search/nearest-messages.js';
import { SearchMessages } from '../search/search-messages.js';
import { BuildContext } from './build-context.js';

const embedder = new LocalEmbedder();

describe('the context of a conversation', () => {
  let messages: MemoryMessageStore;
  let ledger: MemoryChunkLedger;
  let vectors: MemoryVectorStore;
  let context: BuildContext;
  let conversationId: string;
  let isVectorStoreOut: boolean;
  let isLexicalBehind: boolean;
  let counted: number;
  const inline = new InlineTextWork();
  const text = new InlineTextWork();

  beforeEach(async () => {
    const archive = new MemoryArchive();
    messages = new MemoryMessageStore(archive, new MemoryOutbox());
    const conversations = new MemoryConversationStore(archive, new MemoryOutbox());
    ledger = new MemoryChunkLedger();
    vectors = new MemoryVectorStore(embedder.dimension);
    isVectorStoreOut = false;
    const nearest = new NearestMessages(() => {
      if (isVectorStoreOut) throw new DependencyError('chroma', 'query', 'open');
      return { embedder, vectors };
    }, 0.1);
    isLexicalBehind = false;
    const lexical = new MemoryLexicalIndex(() =>
      isLexicalBehind ? [] : [...archive.conversations.values()].flatMap((each) => each.messages),
    );
    const reranker = { rerank: async () => [] };
    counted = 0;
    text.tokens = async (caller, texts, limit) => {
      const counts = await inline.tokens(caller, texts, limit);
      counted += counts.reduce((sum, count) => sum + count, 0);
      return counts;
    };
    const semaphore = new Semaphore('search', { concurrent: 4, queued: 4 });
    const search = new SearchMessages(
      conversations,
      messages,
      new MemoryDocumentStore(archive, new MemoryOutbox()),
      { lexical, nearest, reranker, text },
      semaphore,
      createLogger('test', 'fatal'),
    );
    context = new BuildContext(messages, ledger, search, new CachedTokenCounter(text));
    conversationId = (await conversations.create({ title: null, creatorId: 'alice', memberIds: ['bob'] })).id;
  });

  const say = async (content: string): Promise<Message> =>
    (await messages.store({ conversationId, senderId: 'alice', content, priority: 'normal' })).message;
  const index = async (message: Message): Promise<void> => {
    const { id: messageId, seq, senderId, version, createdAt, content } = message;
    const chunks = chunkMessage({ messageId, conversationId, seq, senderId, version, createdAt: createdAt.toISOString(), content });
    await vectors.replace(chunks, await embedder.embed(chunks.map(({ text }) => text)), { removed: [] });
    await ledger.record([{ messageId, version, chunkCount: chunks.length, model: embedder.model, state: 'indexed' }]);
  };
  const build = (request: Partial<ContextRequest> & { query: string }, reader = 'bob') =>
    context.execute(conversationId, reader, { maxTokens: 1_000, recent: 2, recentShare: 0.6, semanticK: 3, ...request });
  const seqsOf = (window: { items: readonly { message: Message; why: string }[] }) =>
    window.items.map(({ message, why }) => [message.seq, why]);

  it('has the newest messages and older ones that fit the query, in order, each once, with its reason', async () => {
    for (const text of ['cà phê ở Đà Lạt', 'nothing to see', 'vé xe khách', 'cà phê hôm nay', 'see you']) await index(await say(text));
    const window = await build({ query: 'ca phe' });
    expect(seqsOf(window)).toEqual([
      [1, 'semantic'],
      [4, 'recent'],
      [5, 'recent'],
    ]);
    expect(window).toMatchObject({ indexedThroughSeq: 5, degraded: [] });
  });

  it('never misses the newest messages, indexed or not', async () => {
    await index(await say('cà phê sáng'));
    for (const text of ['one', 'two', 'three', 'four']) await say(text);
    const window = await build({ query: 'cà phê', recent: 1, minSeq: 5 });
    expect(seqsOf(window)).toEqual([[1, 'semantic'], ...[2, 3, 4, 5].map((seq) => [seq, 'recent'])]);
    expect(window.indexedThroughSeq).toBe(1);
  });

  it('counts an edit that is not indexed yet as not indexed', async () => {
    const [first] = [await say('old text'), await say('other')];
    for (const message of [first, (await messages.page(conversationId, 'alice', { limit: 1 }))?.messages[0]])
      if (message) await index(message);
    await messages.edit({ id: first.id, actor: 'alice' }, 'new text');
    expect(await build({ query: 'text', recent: 0 })).toMatchObject({ indexedThroughSeq: 0 });
  });

  it('stays within the budget, newest first, without a hole', async () => {
    for (let i = 1; i <= 20; i += 1) await say(`message number ${i} of a long conversation about the weekend`);
    const window = await build({ query: 'weekend', maxTokens: 60, recent: 20 });
    expect(window.tokens).toBeLessThanOrEqual(60);
    const seqs = window.items.filter(({ why }) => why === 'recent').map(({ message }) => message.seq);
    expect(seqs.at(-1)).toBe(20);
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, i) => 21 - seqs.length + i));
    expect(seqs.length).toBeGreaterThan(1);
  });

  it('leaves out what is deleted', async () => {
    const message = await say('secret plan');
    await index(message);
    await messages.delete({ id: message.id, actor: 'alice' });
    expect((await build({ query: 'secret plan' })).items).toEqual([]);
  });

  it('goes on without the vector store and says so', async () => {
    await say('cà phê');
    isVectorStoreOut = true;
    const window = await build({ query: 'ca phe' });
    expect(seqsOf(window)).toEqual([[1, 'recent']]);
    expect(window.degraded).toEqual(['dense']);
  });

  it('does not exist for strangers, and has nothing of a future', async () => {
    await say('hello');
    await expect(build({ query: 'hello' }, 'mallory')).rejects.toMatchObject({ code: 'not-found' });
    await expect(build({ query: 'hello', minSeq: 2 })).rejects.toMatchObject({ code: 'validation' });
  });

  describe('when the budget is short', () => {
    it('keeps the one fact that the query asks for, whatever small talk came after it', async () => {
      await index(await say('The booking code of the hotel in Đà Lạt is QX7781'));
      for (let i = 1; i <= 40; i += 1) await index(await say(`haha yes, see you there, number ${i} of many lines of small talk`));
      const window = await build({ query: 'booking code of the hotel', maxTokens: 200, recent: 40 });
      expect(window.items.map(({ message }) => message.content)).toContain('The booking code of the hotel in Đà Lạt is QX7781');
      expect(window.items.at(-1)?.message.seq).toBe(41);
      expect(window.tokens).toBeLessThanOrEqual(200);
    });

    it('keeps it also while no index has it yet', async () => {
      await say('The booking code of the hotel in Đà Lạt is QX7781');
      for (let i = 1; i <= 40; i += 1) await say(`haha yes, see you there, number ${i} of many lines of small talk`);
      isLexicalBehind = true;
      const window = await build({ query: 'booking code of the hotel', maxTokens: 200, recent: 40 });
      expect(window.indexedThroughSeq).toBe(0);
      expect(window.items[0]).toMatchObject({ message: { seq: 1 }, why: 'semantic' });
    });

    it('gives the recent part what the other leaves, and the other what the recent part leaves', async () => {
      for (let i = 1; i <= 40; i += 1) await index(await say(`line ${i} of small talk about nothing`));
      const small = await build({ query: 'xylophone', maxTokens: 200, recent: 40 });
      expect(small.tokens).toBeGreaterThan(180);
      for (let i = 1; i <= 20; i += 1) await index(await say(`xylophone ${i}: ${'a long story '.repeat(3)}`));
      await index(await say('ok'));
      const large = await build({ query: 'xylophone', maxTokens: 200, recent: 1, semanticK: 20 });
      expect(large.tokens).toBeGreaterThan(180);
    });

    it('has the newest message also when it takes more than its share, with what fits beside it', async () => {
      await index(await say('the code is QX7781'));
      await index(await say('well '.repeat(80)));
      const window = await build({ query: 'code', maxTokens: 110 });
      expect(seqsOf(window)).toEqual([
        [1, 'semantic'],
        [2, 'recent'],
      ]);
      expect((await build({ query: 'code', maxTokens: 110, recent: 0 })).items.at(-1)?.message.seq).toBe(2);
    });

    it('goes on without the newest message when that alone is longer than the budget', async () => {
      await index(await say('the code is QX7781'));
      await index(await say('thanks'));
      await index(await say('well '.repeat(300)));
      const window = await build({ query: 'code', maxTokens: 50, recent: 3 });
      expect(window.items.map(({ message }) => message.seq)).toEqual([1, 2]);
      expect(window.tokens).toBeLessThanOrEqual(50);
    });

    it('counts no more than about the budget', async () => {
      for (let i = 1; i <= 30; i += 1) await index(await say(`${i} ${'漢字'.repeat(2_000)}`));
      const window = await build({ query: '漢字', maxTokens: 100, recent: 30, semanticK: 20 });
      expect(window).toMatchObject({ items: [], tokens: 0 });
      // 30 of 4,000 characters each were 120,000 to count.
      expect(counted).toBeLessThan(12_000);
    });
  });
});
