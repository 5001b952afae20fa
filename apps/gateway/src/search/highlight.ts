import { AskedWords, endOfWord, isAfterWordCharacter, type Place, wordAfter } from './words.js';

/** Length of an excerpt in UTF-16 units, before escaping: about three lines on a phone. */
const EXCERPT_LENGTH = 240;
/** Units of the excerpt before the first match. */
const LEAD = 60;

const BIDI_CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g;

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => escapes[character] ?? character);

/**
 * An excerpt of `text` around the first word that answers the query, as HTML: everything is escaped and `<mark>` stands around the words that
 * match (see {@link AskedWords}), so it can be shown as it is. Without a match in the first `maxRead` units (found by meaning, by likeness or
 * only further on) it is the beginning of the text. Reads up to the first match and then the excerpt.
 */
export const highlight = (text: string, asked: AskedWords, maxRead = text.length): string => {
  const { start, end } = excerptAround(text, firstMatch(text, asked, maxRead));
  let html = '';
  let at = start;
  for (const place of wordsWithin(text, start, end)) {
    if (place.end > end || !asked.answers(text, place)) continue;
    html += `${escapeHtml(text.slice(at, place.start))}<mark>${escapeHtml(text.slice(place.start, place.end))}</mark>`;
    at = place.end;
  }
  const whole = `${start > 0 ? '…' : ''}${html}${escapeHtml(text.slice(at, end))}${end < text.length ? '…' : ''}`;
  // Cutting can remove the end of a bidirectional control; text shown after the excerpt would then be reordered.
  return end - start < text.length ? whole.replaceAll(BIDI_CONTROLS, '') : whole;
};

/** The beginning of a text as an HTML excerpt without marks: used when the budget for finding words is spent. */
export const beginningOf = (text: string): string => highlight(text, NOTHING_ASKED, 0);

const NOTHING_ASKED = new AskedWords('');

const firstMatch = (text: string, asked: AskedWords, maxRead: number): Place | undefined => {
  let place = wordAfter(text, 0);
  while (place !== undefined && place.start < maxRead && !asked.answers(text, place)) place = wordAfter(text, place.end);
  return place !== undefined && place.start < maxRead ? place : undefined;
};

function* wordsWithin(text: string, from: number, to: number): Generator<Place> {
  for (let place = wordAfter(text, from); place !== undefined && place.start < to; place = wordAfter(text, place.end)) yield place;
}

/** Cuts between words where it can; a word longer than an excerpt (a URL, text without spaces) is cut where it must, never inside a character. */
const excerptAround = (text: string, match: Place | undefined): Place => {
  const wanted = match === undefined ? 0 : Math.max(0, match.start - LEAD);
  const start = wanted === 0 ? 0 : startOfWordFrom(text, wanted, match?.start ?? 0);
  const limit = start + EXCERPT_LENGTH;
  if (limit >= text.length) return { start, end: text.length };
  let lastWhole: number | undefined;
  for (const { end } of wordsWithin(text, start, limit)) if (end <= limit) lastWhole = end;
  return { start, end: lastWhole ?? limit - (isHighSurrogate(text, limit - 1) ? 1 : 0) };
};

/** The start of the first whole word in `[from, match]`; the match itself is one. */
const startOfWordFrom = (text: string, from: number, match: number): number => {
  const between = isHighSurrogate(text, from - 1) ? from + 1 : from;
  const free = isAfterWordCharacter(text, between) ? endOfWord(text, between) : between;
  return wordAfter(text, free)?.start ?? match;
};

const isHighSurrogate = (text: string, index: number): boolean => {
  const unit = text.charCodeAt(index);
  return unit >= 0xd800 && unit <= 0xdbff;
};
