import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryJournal } from '../../journal/adapters/memory-journal.js';
import { anEntry } from '../../journal/journal.contract.js';
import { DeadLetterCount } from './dead-letter-count.js';

const NAME = 'embedding.messages.dlq';
const entry = (id: number) => anEntry(id, { queue: NAME });

describe('the count of a dead-letter queue', () => {
  let journal: MemoryJournal;
  let letters: DeadLetterCount;
  beforeEach(() => {
    vi.useFakeTimers();
    journal = new MemoryJournal();
    letters = new DeadLetterCount(NAME, journal);
  });
  afterEach(() => {
    letters.stop();
    vi.useRealTimers();
  });

  it('has what was written without an answer, also when it is written after the first look, and each once', async () => {
    await journal.write({ added: [entry(1), entry(2)], removed: [] });
    letters.put();
    for (const id of [2, 3, 4]) letters.mayBeThere(id);
    await letters.look();
    expect(letters.count).toBe(2);
    await journal.write({ added: [entry(4)], removed: [] });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(letters.count).toBe(3);
  });

  it('goes on looking after a read that failed, and stops when all is found or too old to come', async () => {
    const read = vi.spyOn(journal, 'read').mockRejectedValueOnce(new Error('the store is away'));
    await journal.write({ added: [entry(7)], removed: [] });
    letters.mayBeThere(7);
    letters.mayBeThere(8);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(letters.count).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
    expect(read.mock.calls.length).toBeLessThan(12);
  });

  it('loses nothing by the removal of an entry that it had not counted', async () => {
    await journal.write({ added: [entry(1), entry(2)], removed: [] });
    letters.mayBeThere(1);
    letters.put();
    letters.removed(1);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(letters.count).toBe(1);
  });
});
