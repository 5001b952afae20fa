import { beforeEach, describe, expect, it } from 'vitest';
import { type ConversationId, newId } from '#lib/contracts/ids';
import type { Message } from '#lib/conversations/message';
import type { LexicalIndexPort } from './lexical-index.port.js';

/** An empty index and a way to put messages into it. */
export interface LexicalIndexSubject {
  readonly index: Omit<LexicalIndexPort, 'findParts'>;
  add(messages: readonly Message[]): Promise<void>;
}

/** What every lexical index promises. `make` gives an empty one. */
export const lexicalIndexContract = (make: () => Promise<LexicalIndexSubject>): void => {
  let subject: LexicalIndexSubject;
  let conversationId: ConversationId;
  let seq: number;
  beforeEach(async () => {
    subject = await make();
    conversationId = newId();
    seq = 0;
  });

  const aMessage = (content: string, facts: Partial<Message> = {}): Message => ({
    id: newId(),
    conversationId,
    seq: (seq += 1),
    senderId: 'alice',
    content,
    version: 1,
    createdAt: new Date(Date.UTC(2026, 0, 1) + seq * 1_000),
    ...facts,
  });
  const store = async (...contents: string[]): Promise<Message[]> => {
    const messages = contents.map((content) => aMessage(content));
    await subject.add(messages);
    return messages;
  };
  const found = async (query: string, visible = [conversationId], filter = {}, k = 10): Promise<string[]> =>
    (await subject.index.find(query, visible, k, filter)).map(({ messageId }) => messageId);
  const ids = (...messages: (Message | undefined)[]) => messages.map((message) => message?.id);

  describe('finds', () => {
    it.each([
      ['ca phe', 'Sáng nay uống cà phê không?'],
      ['cà phê', 'Sang nay uong ca phe khong?'],
      ['CÀ PHÊ', 'một ly cà phê'],
      ['ca phe', 'một ly cà phê'.normalize('NFD')],
      ['cà phê'.normalize('NFD'), 'một ly cà phê'],
      ['dong', 'đồng hồ'],
      ['DONG', 'Đồng hồ'],
      ['strasse', 'Hauptstraße, also strasse'],
      ['coff', 'the coffee machine'],
      ['coffe machne', 'the coffee machine is broken'],
      ['cofee', 'the coffee machine is broken'],
      ['caphe', 'một ly cà phê'],
      ['42', 'the answer is 42'],
      ['привет', 'Привет, мир'],
    ])('%s in "%s"', async (query, content) => {
      const [message] = await store(content, 'etwas ganz anderes');
      expect(await found(query)).toEqual(ids(message));
    });
  });

  it('puts messages with all words before those with some', async () => {
    const [some, all, none] = await store('coffee for all of us', 'the coffee machine', 'tea');
    const hits = await found('coffee machine');
    expect(hits).toEqual(ids(all, some));
    expect(hits).not.toContain(none?.id);
  });

  it('puts messages with a long, rare word before those with a short, frequent one', async () => {
    const [the, rare] = await store('the the the', 'espresso');
    expect(await found('the espresso')).toEqual(ids(rare, the));
  });

  it('finds nothing for words that were never written', async () => {
    await store('hello world');
    expect(await found('xylophone')).toEqual([]);
  });

  it('takes a single letter for a word, not for the beginning of all words', async () => {
    const [message] = await store('plan b', 'beginning');
    expect(await found('b')).toEqual(ids(message));
    expect(await found('z')).toEqual([]);
  });

  it('finds nothing in conversations that are not visible', async () => {
    const [mine] = await store('a secret');
    const elsewhere = aMessage('a secret', { conversationId: newId() });
    await subject.add([elsewhere]);
    expect(await found('secret')).toEqual(ids(mine));
    expect(await found('secret', [])).toEqual([]);
    expect(await found('secret', [newId()])).toEqual([]);
  });

  it('never finds a deleted message', async () => {
    await subject.add([aMessage('gone coffee', { deletedAt: new Date() })]);
    expect(await found('coffee')).toEqual([]);
  });

  it('narrows by sender and by time, both ends included', async () => {
    const early = aMessage('coffee', { createdAt: new Date('2026-02-01T00:00:00.000Z') });
    const late = aMessage('coffee', { createdAt: new Date('2026-02-03T00:00:00.000Z'), senderId: 'bob' });
    await subject.add([early, late]);
    const at = (message: Message) => message.createdAt.getTime();
    expect(await found('coffee', [conversationId], { senderId: 'bob' })).toEqual(ids(late));
    expect(await found('coffee', [conversationId], { toMs: at(early) })).toEqual(ids(early));
    expect(await found('coffee', [conversationId], { fromMs: at(late) })).toEqual(ids(late));
    expect(await found('coffee', [conversationId], { fromMs: at(early) + 1, toMs: at(late) - 1 })).toEqual([]);
    expect(await found('cofee', [conversationId], { senderId: 'bob' })).toEqual(ids(late));
  });

  it('gives at most k hits, the newest among equals', async () => {
    const messages = await store(...Array.from({ length: 30 }, () => 'coffee'));
    expect(await found('coffee', [conversationId], {}, 3)).toEqual(
      messages
        .slice(-3)
        .map(({ id }) => id)
        .reverse(),
    );
  });

  it.each([
    `'`,
    `''`,
    `"`,
    `\\`,
    `\\'`,
    `' OR 1=1 --`,
    `'; DROP TABLE messages; --`,
    '&',
    '|',
    '!',
    '(',
    ')',
    ':*',
    '<->',
    'a & b',
    'a | (b',
    '!a',
    'a:*b',
    "a'b",
    '%',
    '_',
    '-',
    '*',
    '$1',
    '@>',
    'ŉ',
    '½',
    '«»',
    '\u{1f642}',
    'a'.repeat(1_000),
    'ab '.repeat(333),
  ])('takes %j as plain text', async (query) => {
    const [message] = await store('a plain text about b');
    const hits = await found(query);
    expect([[], [message?.id]]).toContainEqual(hits);
  });
};
