import { describe, expect, it } from 'vitest';
import { highlight } from './highlight.js';

describe('a highlight', () => {
  it('marks the words of the query whatever their accents and case', () => {
    expect(highlight('Uống Cà Phê không?', 'ca phe')).toBe('Uống <mark>Cà</mark> <mark>Phê</mark> không?');
  });

  it('marks accented words in decomposed text too', () => {
    expect(highlight('cà'.normalize('NFD'), 'ca')).toBe(`<mark>${'cà'.normalize('NFD')}</mark>`);
  });

  it('marks đ for d', () => {
    expect(highlight('đi đâu', 'di')).toBe('<mark>đi</mark> đâu');
  });

  it('marks words that begin with the last word of the query, which may still be being typed', () => {
    expect(highlight('coffee machine', 'coff')).toBe('<mark>coffee</mark> machine');
    expect(highlight('coffee machine', 'coff mach')).toBe('coffee <mark>machine</mark>');
  });

  it('escapes everything that came from a user', () => {
    expect(highlight('<script>alert("x")</script> & more', 'script')).toBe(
      '&lt;<mark>script</mark>&gt;alert(&quot;x&quot;)&lt;/<mark>script</mark>&gt; &amp; more',
    );
  });

  it('is the beginning of the text when no word matches', () => {
    expect(highlight('found by meaning', 'café')).toBe('found by meaning');
  });

  it('shows the surroundings of the first match of a long text and says where it was cut', () => {
    const text = `${'before '.repeat(100)}needle ${'after '.repeat(100)}`;
    const excerpt = highlight(text, 'needle');
    expect(excerpt).toMatch(/^…before .*<mark>needle<\/mark> after .*after…$/);
    expect(excerpt.length).toBeLessThan(300);
  });

  it('never cuts inside a character', () => {
    const excerpt = highlight('🙂'.repeat(400), 'x');
    expect(excerpt.isWellFormed()).toBe(true);
    expect(highlight(`a${'🙂'.repeat(400)}`, 'x').isWellFormed()).toBe(true);
  });

  it('reads query operators as text', () => {
    expect(highlight('a & b', "a' & | ! (:*")).toBe('<mark>a</mark> &amp; b');
  });
});
