import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { MAX_TRANSCRIPT_LENGTH } from '#lib/scores/transcript';
import { transcriptOfLog } from './log-transcript.js';
import { newestTurns } from './newest-turns.js';

type Entry = { role: 'user' | 'bot'; content: string; at?: string };
const packed = (entries: readonly Entry[]) => gzipSync(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));

describe('the transcript of a log', () => {
  it('has its turns in order, and counts them', async () => {
    const entries: Entry[] = [
      { role: 'user', content: 'Chào bạn\n"bot"', at: '2026-01-31T09:00:00.000Z' },
      { role: 'bot', content: 'Hi' },
      { role: 'user', content: 'Bạn khỏe không?' },
    ];
    const { turns, turnCounts } = await transcriptOfLog(packed(entries));
    expect(turns).toEqual(entries.map(({ role, content }) => ({ role, content })));
    expect(turnCounts).toEqual({ user: 2, bot: 1 });
  });

  it('has the newest turns of a long log, counts all, and changes its fingerprint with any of them', async () => {
    const entries = Array.from({ length: 50_000 }, (_, i): Entry => ({ role: i % 5 === 0 ? 'user' : 'bot', content: `turn ${i}` }));
    const { turns, turnCounts, fingerprint } = await transcriptOfLog(packed(entries));
    expect(turns.at(-1)?.content).toBe('turn 49999');
    expect(turns.reduce((sum, { content }) => sum + content.length, 0)).toBeLessThanOrEqual(MAX_TRANSCRIPT_LENGTH);
    expect(turns.length).toBeGreaterThan(2_000);
    expect(turnCounts).toEqual({ user: 10_000, bot: 40_000 });
    const changed = await transcriptOfLog(packed([{ role: 'user', content: 'turn zero' }, ...entries.slice(1)]));
    expect(changed.fingerprint).not.toBe(fingerprint);
    expect((await transcriptOfLog(packed(entries))).fingerprint).toBe(fingerprint);
  });
});

describe('the newest turns that fit', () => {
  it('are the beginning of a turn that is longer than all that fits, without half a character', () => {
    const [turn, ...others] = newestTurns([{ role: 'user', content: `x${'👩'.repeat(MAX_TRANSCRIPT_LENGTH)}` }]);
    expect(turn?.content).toHaveLength(MAX_TRANSCRIPT_LENGTH - 1);
    expect(turn?.content.isWellFormed()).toBe(true);
    expect(others).toEqual([]);
  });

  it('leave out an older turn that does not fit as a whole, and none is nothing', () => {
    const turns = newestTurns([
      { role: 'user', content: 'newest' },
      { role: 'bot', content: 'x'.repeat(MAX_TRANSCRIPT_LENGTH) },
      { role: 'user', content: 'oldest' },
    ]);
    expect(turns).toEqual([{ role: 'user', content: 'newest' }]);
    expect(newestTurns([])).toEqual([]);
  });
});
