import { expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { MemoryJournal } from '../../journal/adapters/memory-journal.js';
import { anEntry } from '../../journal/journal.contract.js';
import type { JournalEntry } from '../../journal/journal.port.js';
import { DelayedQueue } from './delayed-queue.js';

const NAME = 'embedding.messages.retry.1';
const HOUR_MS = 3_600_000;

it('a clock that was set back by an hour holds entries for no longer than twice their delay, the last one too', async () => {
  const journal = new MemoryJournal();
  const entries = [1, 2, 3].map((id) => anEntry(id, { queue: NAME, dueAt: new Date(Date.now() + HOUR_MS) }));
  await journal.write({ added: entries, removed: [] });
  const moved: number[] = [];
  const move = async (due: readonly JournalEntry[]) => {
    moved.push(...due.map(({ id }) => id));
    await journal.write({ added: [], removed: due });
  };
  const queue = new DelayedQueue(NAME, 50, journal, move);
  queue.restore(3);
  await eventually(() => expect(moved).toEqual([1, 2, 3]));
  expect(queue.count).toBe(0);
  queue.stop();
});
