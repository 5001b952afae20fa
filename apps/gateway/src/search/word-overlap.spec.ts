import { describe, expect, it } from 'vitest';
import { overlapScores } from './word-overlap.js';

const ranked = (query: string, ...texts: string[]): string[] => {
  const scores = overlapScores(query, texts);
  return texts
    .map((text, index) => ({ text, score: scores[index] ?? 0 }))
    .sort((one, other) => other.score - one.score)
    .map(({ text }) => text);
};

describe('the ranking by words that texts share with a query', () => {
  it.each([
    ['a text with more of the words', 'broken coffee machine', 'the coffee machine is broken', 'coffee'],
    ['a text with the words side by side', 'coffee machine', 'a coffee machine', 'a machine that has no coffee'],
    ['the exact spelling', 'cà phê', 'một ly cà phê', 'mot ly ca phe'],
    ['a rare word', 'the espresso', 'espresso', 'the'],
  ])('prefers %s', (_, query, better, worse) => {
    expect(ranked(query, worse, better, 'the other')).toEqual([better, worse, 'the other']);
  });

  it('gives one score between 0 and 1 per text, in their order', () => {
    expect(overlapScores('coffee', ['coffee', 'tea', ''])).toEqual([1, 0, 0]);
  });

  it('knows nothing about a query without words', () => {
    expect(overlapScores('?!', ['a', 'b'])).toEqual([0, 0]);
    expect(overlapScores('a', [])).toEqual([]);
  });

  it('knows a query of 32 words as well as one of two', () => {
    const words = Array.from({ length: 32 }, (_, i) => `w${i}`);
    const [all, half, reversed] = overlapScores(words.join(' '), [
      words.join(' '),
      words.slice(0, 16).join(' '),
      words.toReversed().join(' '),
    ]);
    expect(all).toBeCloseTo(1);
    expect(half).toBeLessThan(all ?? 0);
    // Every word, none beside the one that it follows in the query.
    expect(reversed).toBeCloseTo(0.75);
  });

  it('finds words whatever their composition, and their exact spelling too', () => {
    const [composed, decomposed] = overlapScores('cà phê', ['một ly cà phê', 'một ly cà phê'.normalize('NFD')]);
    expect(decomposed).toBe(composed);
  });
});
