import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Message } from '#client/frames';
import { type Api, ApiError } from '../../shared/api.js';
import { newerOf, Summaries, type Summary } from './summaries.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const message = (conversationId: string, seq: number): Message => ({
  id: `${conversationId}-${String(seq).padStart(3, '0')}`,
  conversationId,
  seq,
  senderId: 'bob',
  content: `text ${seq}`,
  version: 1,
  createdAt: '2026-01-31T09:30:00.000Z',
  pipeline: { delivery: 'done', embedding: 'done', scoring: 'done' },
});
const summary = (id: string, more: Partial<Summary> = {}): Summary => ({
  id,
  title: null,
  memberIds: ['alice', 'bob'],
  headSeq: 0,
  readSeq: 0,
  unread: 0,
  lastMessage: null,
  ...more,
});

/** A list on a server that answers each request as its turn says; the last turn stays. */
function listOf(...turns: (() => { items: readonly Summary[]; nextCursor: string | null })[]) {
  const asked: string[] = [];
  const ask = async (path: string) => {
    const turn = turns[Math.min(asked.length, turns.length - 1)];
    asked.push(path);
    return turn?.();
  };
  const found: string[] = [];
  const list = new Summaries({ ask } as unknown as Api, ({ id }) => found.push(id));
  return { list, asked, found };
}
const answer =
  (items: readonly Summary[], nextCursor: string | null = null) =>
  () => ({ items, nextCursor });
const soon = () => vi.advanceTimersByTimeAsync(1_000);

it('any number of messages of conversations that it does not know cost one look at the list', async () => {
  const { list, asked, found } = listOf(
    answer([]),
    answer([summary('a', { headSeq: 1, unread: 1 }), summary('b', { headSeq: 1, unread: 1 })]),
  );
  await list.load();
  for (let i = 1; i <= 200; i += 1) list.arrived(message(i % 2 === 0 ? 'a' : 'b', i), false);
  await soon();
  expect([asked.length, found, list.shown.get()?.length]).toEqual([2, ['a', 'b'], 2]);
});

it('older conversations come when they are asked for, and stay when the newest are read again', async () => {
  const { list, asked } = listOf(
    answer([summary('c')], 'older'),
    answer([summary('b')], 'oldest'),
    answer([summary('d')], 'other'),
    answer([summary('a')]),
  );
  await list.load();
  await list.loadOlder();
  await list.refresh();
  await list.loadOlder();
  await soon();
  expect(list.shown.get()?.map(({ id }) => id)).toEqual(['d', 'c', 'b', 'a']);
  expect(asked.filter((path) => path.includes('cursor')).map((path) => path.split('cursor=')[1])).toEqual(['older', 'oldest']);
  expect(list.hasOlder.get()).toBe(false);
});

it('a list that cannot be read says so, and is read again by itself', async () => {
  const { list, asked } = listOf(
    () => {
      throw new ApiError('dependency-unavailable', 'away');
    },
    answer([summary('a')]),
  );
  await list.load();
  expect(list.error.get()).toBeInstanceOf(ApiError);
  await vi.advanceTimersByTimeAsync(6_000);
  expect([list.error.get(), list.shown.get()?.length, asked.length]).toEqual([undefined, 1, 2]);
});

it('a message that an answer has counted is not counted again when its frame comes', async () => {
  const { list } = listOf(answer([summary('a', { headSeq: 1, unread: 1, lastMessage: message('a', 1) })]));
  await list.load();
  list.arrived(message('a', 1), false);
  expect(list.of('a')).toMatchObject({ headSeq: 1, unread: 1 });
  list.arrived(message('a', 2), false);
  expect(list.of('a')).toMatchObject({ headSeq: 2, unread: 2, lastMessage: { seq: 2 } });
  list.end();
});

it('nothing is asked for after the end', async () => {
  const { list, asked } = listOf(answer([]));
  list.arrived(message('a', 1), false);
  list.end();
  await soon();
  expect(asked).toEqual([]);
});

it('what came live is newer than an answer that was on its way, and what was read here stays read', () => {
  const live = summary('a', { headSeq: 6, unread: 1, lastMessage: message('a', 6), readSeq: 5 });
  expect(newerOf(live, summary('a', { headSeq: 5, readSeq: 2, unread: 3, title: 'New' }))).toEqual({ ...live, title: 'New' });
  const read = summary('a', { headSeq: 6, readSeq: 6, lastMessage: message('a', 6) });
  expect(newerOf(read, { ...read, readSeq: 4, unread: 2 })).toEqual(read);
  expect(newerOf(read, { ...read, headSeq: 8, readSeq: 4, unread: 4 })).toMatchObject({ headSeq: 8, readSeq: 6, unread: 2 });
});
