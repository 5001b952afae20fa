import { expect, it } from 'vitest';
import type { Message } from '#client/frames';
import {
  emptyTimeline,
  isAtStart,
  isAttached,
  MAX_HELD,
  type Pending,
  type Shown,
  stillPending,
  withAcknowledged,
  withChanged,
  withFailed,
  withLive,
  withNewer,
  withOlder,
  withPage,
  withPending,
  withStage,
} from './timeline.js';

const message = (seq: number, more: Partial<Message> = {}): Message => ({
  id: `m${seq}`,
  conversationId: 'c',
  seq,
  senderId: 'bob',
  content: `text ${seq}`,
  version: 1,
  createdAt: '2026-01-31T09:30:00.000Z',
  pipeline: { delivery: 'pending', embedding: 'pending', scoring: 'pending' },
  ...more,
});
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i));
const shownOf = (from: number, to: number, head = to): Shown => withPage(emptyTimeline('c'), range(from, to), head);
const seqs = ({ messages }: Shown) => [messages[0]?.seq, messages.at(-1)?.seq, messages.length];
const pending = { clientMessageId: 'k', content: 'mine', at: 0, state: 'sending' } as const;

it('a reader at the end follows what comes live, and the window stays as large as it may be', () => {
  let shown = shownOf(1, 10);
  for (let seq = 11; seq <= 2_000; seq += 1) shown = withLive(shown, message(seq), true, 'alice');
  expect(seqs(shown)).toEqual([2_000 - MAX_HELD + 1, 2_000, MAX_HELD]);
  expect([isAttached(shown), isAtStart(shown)]).toEqual([true, false]);
});

it('a reader far above keeps the place when the window is full, and comes down by pages', () => {
  let shown = shownOf(1, MAX_HELD);
  shown = withLive(shown, message(MAX_HELD + 1), false, 'alice');
  expect(seqs(shown)).toEqual([1, MAX_HELD, MAX_HELD]);
  expect(isAttached(shown)).toBe(false);
  shown = withNewer(shown, range(MAX_HELD + 1, MAX_HELD + 1), MAX_HELD + 1);
  expect(isAttached(shown)).toBe(true);
});

it('older pages are put before, the far end is dropped, and a page that comes twice changes nothing', () => {
  const shown = withOlder(shownOf(101, 400), range(51, 100));
  expect(seqs(shown)).toEqual([51, 350, MAX_HELD]);
  expect(withOlder(shown, range(51, 100))).toBe(shown);
});

it('a message that came already is not shown twice, and one after a gap is not shown before what is between', () => {
  const shown = shownOf(1, 3);
  expect(seqs(withLive(shown, message(3), true, 'alice'))).toEqual([1, 3, 3]);
  expect(seqs(withLive(shown, message(5), true, 'alice'))).toEqual([1, 3, 3]);
  expect(withLive(shown, message(5), true, 'alice').headSeq).toBe(5);
});

it('a newer version replaces an older one, and no older one a newer one; a stage that was done stays done', () => {
  const edited = withChanged(shownOf(1, 2), message(2, { version: 2, content: 'new' }));
  expect(edited.messages[1]?.content).toBe('new');
  expect(withChanged(edited, message(2)).messages[1]?.content).toBe('new');
  const indexed = withStage(edited, 2, 'embedding');
  expect(withChanged(indexed, message(2, { version: 2 })).messages[1]?.pipeline.embedding).toBe('done');
});

it('a sent message is shown once, whichever comes first: its acknowledgement or its frame', () => {
  const own = message(2, { senderId: 'alice', content: 'mine' });
  const sending = withPending(shownOf(1, 1), pending);
  const acknowledgedFirst = withLive(withAcknowledged(sending, 'k', 'm2'), own, true, 'alice');
  const frameFirst = withLive(sending, own, true, 'alice');
  expect(stillPending(frameFirst)).toEqual([]);
  for (const shown of [acknowledgedFirst, withAcknowledged(frameFirst, 'k', 'm2')]) {
    expect(shown.pending).toEqual([]);
    expect(seqs(shown)).toEqual([1, 2, 2]);
  }
});

it('a message with the same words from another tab of the user hides the one on its way only until that is acknowledged', () => {
  const fromElsewhere = message(2, { senderId: 'alice', content: 'mine' });
  const claimed = withLive(withPending(shownOf(1, 1), pending), fromElsewhere, true, 'alice');
  const acknowledged = withAcknowledged(claimed, 'k', 'm3');
  expect(stillPending(acknowledged).map(({ id }) => id)).toEqual(['m3']);
  expect(withLive(acknowledged, message(3, { senderId: 'alice', content: 'mine' }), true, 'alice').pending).toEqual([]);
});

it('a message that was not sent stays, with the reason, until it is sent again', () => {
  const failed = withFailed(withPending(shownOf(1, 1), pending), 'k', 'why');
  expect(failed.pending).toEqual([{ ...pending, state: 'failed', error: 'why' }]);
  expect(withPending(failed, pending).pending).toEqual([pending]);
});

it('what is stored waits for its own frame no longer when a page brings it', () => {
  const pending = (clientMessageId: string, id?: string): Pending => ({
    clientMessageId,
    content: 'text',
    at: 0,
    ...(id === undefined ? { state: 'sending' } : { state: 'sent', id }),
  });
  const waiting = { ...emptyTimeline('c'), pending: [pending('p', 'm2'), pending('q')] };

  const opened = withPage(waiting, [message(1), message(2)], 2);
  expect(opened.pending).toEqual([pending('q')]);

  // Its reader is far above: its own frame only says that there is more below.
  const above = withPage(waiting, [message(1)], 2);
  expect(above.pending).toEqual(waiting.pending);
  expect(withNewer(above, [message(2)], 2).pending).toEqual([pending('q')]);
});
