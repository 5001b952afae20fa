import { describe, expect, it } from 'vitest';
import { ContextRequest, IdempotencyKey, MessagePage, Metadata, NewConversation, NewMessage, SearchQuery } from './http.js';

const nested = (levels: number): unknown => (levels === 0 ? 'x' : { inner: nested(levels - 1) });

describe('metadata', () => {
  it.each([
    ['a flat object', { a: 1, b: 'two', c: null }],
    ['five levels', nested(5)],
  ])('takes %s', (_, value) => {
    expect(Metadata.safeParse(value).success).toBe(true);
  });

  it.each([
    ['six levels', nested(6)],
    ['more than 4 KiB', { text: 'x'.repeat(4_097) }],
    ['a list', [1, 2]],
    ['U+0000 in a value', { a: '\u0000' }],
    ['a lone surrogate in a key', { '\ud800': 1 }],
  ])('refuses %s', (_, value) => {
    expect(Metadata.safeParse(value).success).toBe(false);
  });

  it.each([
    ['a control character in a value', { a: { b: ['ok', '\u001b[2J'] } }, ['a', 'b', '1'], /^must not contain control characters/],
    ['a control character in a key', { a: { '\u0007': 1 } }, ['a'], /^has a key that is refused: it must not contain control characters/],
    ['too many marks', { a: 'x'.concat('\u0301'.repeat(31)) }, ['a'], /^must not have more than 30 combining marks/],
    ['an override that does not end', { a: '\u202e' }, ['a'], /^must close every bidirectional control/],
  ])('refuses %s and says where', (_, value, path, message) => {
    expect(Metadata.safeParse(value).error?.issues).toEqual([expect.objectContaining({ path, message: expect.stringMatching(message) })]);
  });

  it('may hold empty strings', () => {
    expect(Metadata.safeParse({ note: '' }).success).toBe(true);
  });
});

describe('a title or a query', () => {
  it.each([' ', '\u200b', `a${'\u0301'.repeat(31)}`, 'a\u202e'])('is refused where the text policy refuses it: %j', (text) => {
    expect(NewConversation.safeParse({ title: text, memberIds: [] }).success).toBe(false);
    expect(SearchQuery.safeParse({ q: text }).success).toBe(false);
    expect(ContextRequest.safeParse({ query: text, maxTokens: 10 }).success).toBe(false);
  });
});

describe('a new message', () => {
  it('has normal priority unless it says otherwise', () => {
    expect(NewMessage.parse({ content: 'hi' }).priority).toBe('normal');
  });

  it.each(['senderId', 'seq', 'id', 'createdAt'])('refuses a forged %s', (field) => {
    expect(NewMessage.safeParse({ content: 'hi', [field]: 'x' }).success).toBe(false);
  });
});

describe('an idempotency key', () => {
  it('has 1 to 255 printable characters', () => {
    expect(IdempotencyKey.safeParse('k'.repeat(255)).success).toBe(true);
    for (const key of ['', 'k'.repeat(256), 'a b', 'a\nb', 'ключ']) expect(IdempotencyKey.safeParse(key).success).toBe(false);
  });
});

describe('query parameters', () => {
  it('turn text into numbers and flags', () => {
    expect(MessagePage.parse({ afterSeq: '7', limit: '3' })).toEqual({ afterSeq: 7, limit: 3 });
    expect(SearchQuery.parse({ q: 'cà phê', rerank: 'true' })).toMatchObject({ rerank: true, explain: false, limit: 20, mode: 'hybrid' });
  });

  it.each([{ limit: '0' }, { limit: '201' }, { limit: 'ten' }, { afterSeq: '-1' }, { afterSeq: '1', beforeSeq: '2' }, { other: '1' }])(
    'are refused: %j',
    (query) => {
      expect(MessagePage.safeParse(query).success).toBe(false);
    },
  );
});
