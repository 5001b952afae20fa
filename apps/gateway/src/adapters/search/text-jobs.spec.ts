import { describe, expect, it } from 'vitest';
import { cpuMsOf } from '#lib/testing/cpu-time';
import { hostileTexts } from '#lib/testing/hostile-texts';
import { doTextJob } from './text-jobs.js';

/**
 * Milliseconds of CPU time that one step may take over 16,384 units. Measured: at most 110 (tokens, the first time) and 20 (the others); at
 * quadratic cost each of them took seconds.
 */
const BOUND_MS = 500;

const accepted = hostileTexts({ seed: 11 }).filter(({ isAccepted }) => isAccepted);

describe('a text that the policy takes', () => {
  it.each(accepted)('costs little to normalize: $kind', async ({ text }) => {
    for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD']) expect(await cpuMsOf(() => text.normalize(form))).toBeLessThan(BOUND_MS);
  });

  it.each(accepted)('costs little to fold, mark and compare: $kind', async ({ text }) => {
    // What it is asked for is of its own words, so that no comparison ends at the first letter.
    const query = text.slice(0, 200).toWellFormed();
    const texts = [text];
    expect(await cpuMsOf(() => doTextJob({ kind: 'excerpts', query, texts, maxRead: 200_000 }))).toBeLessThan(BOUND_MS);
    expect(await cpuMsOf(() => doTextJob({ kind: 'excerpts', query: 'xylophone', texts, maxRead: 200_000 }))).toBeLessThan(BOUND_MS);
    expect(await cpuMsOf(() => doTextJob({ kind: 'overlap', query, texts }))).toBeLessThan(BOUND_MS);
  });

  it.each(accepted)('costs little to count: $kind', async ({ text }) => {
    await doTextJob({ kind: 'tokens', texts: ['load the vocabulary'], limit: 10 });
    expect(await cpuMsOf(() => doTextJob({ kind: 'tokens', texts: [text], limit: 1_000_000 }))).toBeLessThan(BOUND_MS);
  });

  it('costs little to mark and compare also when it is older than the policy', async () => {
    const marks = ['\u0301', '\u0323', '\u0345', '\u031b'];
    const texts = Array.from({ length: 12 }, () => `a${Array.from({ length: 16_000 }, (_, i) => marks[i % marks.length]).join('')}`);
    expect(await cpuMsOf(() => doTextJob({ kind: 'excerpts', query: 'a', texts, maxRead: 200_000 }))).toBeLessThan(BOUND_MS);
    expect(await cpuMsOf(() => doTextJob({ kind: 'overlap', query: 'a', texts }))).toBeLessThan(BOUND_MS);
  });
});
