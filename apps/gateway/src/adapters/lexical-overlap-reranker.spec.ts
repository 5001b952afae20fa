import { describe, expect, it } from 'vitest';
import { LexicalOverlapReranker } from './lexical-overlap-reranker.js';

const ranked = async (query: string, ...texts: string[]): Promise<string[]> => {
  const scores = await new LexicalOverlapReranker().rerank(query, texts);
  return texts
    .map((text, index) => ({ text, score: scores[index] ?? 0 }))
    .sort((one, other) => other.score - one.score)
    .map(({ text }) => text);
};

describe('the reranker without a model', () => {
  it.each([
    ['a text with more of the words', 'broken coffee machine', 'the coffee machine is broken', 'coffee'],
    ['a text with the words side by side', 'coffee machine', 'a coffee machine', 'a machine that has no coffee'],
    ['the exact spelling', 'cà phê', 'một ly cà phê', 'mot ly ca phe'],
    ['a rare word', 'the espresso', 'espresso', 'the'],
  ])('prefers %s', async (_, query, better, worse) => {
    expect(await ranked(query, worse, better, 'the other')).toEqual([better, worse, 'the other']);
  });

  it('gives one score between 0 and 1 per text, in their order', async () => {
    const scores = await new LexicalOverlapReranker().rerank('coffee', ['coffee', 'tea', '']);
    expect(scores).toEqual([1, 0, 0]);
  });

  it('knows nothing about a query without words', async () => {
    expect(await new LexicalOverlapReranker().rerank('?!', ['a', 'b'])).toEqual([0, 0]);
    expect(await new LexicalOverlapReranker().rerank('a', [])).toEqual([]);
  });
});
