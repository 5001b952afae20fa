import { type PlacedWord, placedWordsOf, wordMatcher } from './words.js';

/** Length of an excerpt in UTF-16 units, before escaping: about three lines on a phone. */
const EXCERPT_LENGTH = 240;
/** How much of it stands before the first match. */
const LEAD = 60;

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => escapes[character] ?? character);

/**
 * An excerpt of `text` around the first word that answers `query`, as HTML: everything is escaped and `<mark>` stands around the words that
 * match (see {@link wordMatcher}), so it can be shown as it is. Without a match (found by meaning or by likeness) it is the beginning of the text.
 */
export const highlight = (text: string, query: string): string => {
  const matches = wordMatcher(query);
  const words = placedWordsOf(text);
  const first = words.find(({ folded }) => matches(folded));
  const { start, end } = excerptAround(text, words, first);

  const marked = words
    .filter((word) => word.start >= start && word.end <= end && matches(word.folded))
    .reduce(
      ({ html, at }, word) => ({
        html: `${html}${escapeHtml(text.slice(at, word.start))}<mark>${escapeHtml(text.slice(word.start, word.end))}</mark>`,
        at: word.end,
      }),
      { html: '', at: start },
    );
  return `${start > 0 ? '…' : ''}${marked.html}${escapeHtml(text.slice(marked.at, end))}${end < text.length ? '…' : ''}`;
};

/** Cuts between words where it can; a word longer than an excerpt (a URL, text without spaces) is cut where it must, never inside a character. */
const excerptAround = (text: string, words: readonly PlacedWord[], match: PlacedWord | undefined): { start: number; end: number } => {
  const wanted = match === undefined ? 0 : Math.max(0, match.start - LEAD);
  const start = wanted === 0 ? 0 : (words.find((word) => word.start >= wanted)?.start ?? wanted);
  const limit = start + EXCERPT_LENGTH;
  if (limit >= text.length) return { start, end: text.length };
  const lastWhole = words.findLast((word) => word.end <= limit && word.end > start);
  return { start, end: lastWhole?.end ?? limit - (isHighSurrogate(text, limit - 1) ? 1 : 0) };
};

const isHighSurrogate = (text: string, index: number): boolean => {
  const unit = text.charCodeAt(index);
  return unit >= 0xd800 && unit <= 0xdbff;
};
