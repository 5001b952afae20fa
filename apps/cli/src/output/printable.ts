/** What a terminal obeys instead of showing: control characters (C0 but for the line feed, DEL, C1) and what turns the direction of text. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const OBEYED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** `text` as it may be printed: what others wrote must not move the cursor, set a title or hide itself. Still the same text inside JSON. */
export const printable = (text: string): string =>
  text.replace(OBEYED, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
