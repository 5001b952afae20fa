import { describe, expect, it } from 'vitest';
import { beginningOf, highlight as highlightAsked } from './highlight.js';
import { AskedWords } from './words.js';

const highlight = (text: string, query: string): string => highlightAsked(text, new AskedWords(query));

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

  it('begins with a whole word, also when its lead begins inside of one', () => {
    const text = `${'x'.repeat(40)} ${'y'.repeat(80)} needle ${'after '.repeat(100)}`;
    expect(highlight(text, 'needle')).toMatch(/^…<mark>needle<\/mark> after/);
    expect(highlight(`${'𠀀'.repeat(100)} needle ${'after '.repeat(100)}`, 'needle')).toMatch(/^…<mark>needle<\/mark> after/);
  });

  it('marks Hangul and Han of the supplementary planes, composed or in parts', () => {
    expect(highlight('커피 한잔'.normalize('NFD'), '커피')).toBe(`<mark>${'커피'.normalize('NFD')}</mark> ${'한잔'.normalize('NFD')}`);
    expect(highlight('a 𠀀𠀁 b', '𠀀𠀁')).toBe('a <mark>𠀀𠀁</mark> b');
  });

  it('turns nothing that is shown after it: what a cut leaves open is gone', () => {
    const text = `\u202e${'needle '.repeat(100)}\u202c`;
    expect(highlight(text, 'needle')).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
    expect(highlight('\u2068needle\u2069', 'needle')).toBe('\u2068<mark>needle</mark>\u2069');
  });

  it('is the beginning of a text for whose words there was no time', () => {
    expect(beginningOf(`<b> ${'word '.repeat(100)}`)).toMatch(/^&lt;b&gt; word .*…$/);
  });
});
