/** Characters of one prompt or answer that a span may hold. */
export const MAX_CONTENT = 8_192;

let isShown = false;

/** TRACE_CONTENT of this process. */
export const showContent = (shown: boolean): void => {
  isShown = shown;
};

/** What is left out of content in any case: whom it can be traced to, and what opens doors. Each with the word that stands for it. */
const HIDDEN: readonly (readonly [RegExp, string])[] = [
  [/\b(?:Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, '[credential]'],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, '[token]'],
  [/\b(?:sk|pk|rk|ghp|xox[a-z])[-_][\w-]{12,}/g, '[key]'],
  [/\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/@:]{1,100}:[^\s/@]{1,100}@/gi, '[login]@'],
  [/[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}/g, '[email]'],
  [/(?<![\w-])\+?\d(?:[ ().-]?\d){8,18}(?![\w-])/g, '[number]'],
];

/**
 * What a span may show of a text: nothing unless TRACE_CONTENT is on; then its first 8,192 characters, without what looks like a mail address, a
 * long number (telephone, card, account) or a credential. A pattern finds no names: an operator who switches content on sees the rest of the text.
 */
export const shownContent = (text: () => string): string | undefined => {
  if (!isShown) return undefined;
  const shown = text().slice(0, MAX_CONTENT);
  return HIDDEN.reduce((rest, [pattern, word]) => rest.replace(pattern, word), shown);
};
