/** Limits of the shape of a JSON text: no body of this API is deeper than 7; most have no more values than 1,000 members and a handful of fields. */
const MAX_DEPTH = 32;
const MAX_VALUES = 20_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
/** `[` and `{` differ in this bit only, and so do `]` and `}`. */
const CURLY = 0x20;
const OPENING = 0x7b;
const CLOSING = 0x7d;

/**
 * Whether a JSON text is nested no deeper than 32 and has at most `maxValues` values. Looked at before it is parsed, in time linear in its length:
 * parsing and checking a million values blocks the event loop for all callers. A text that is not JSON may pass; the parser finds that out.
 */
export const isOfModestShape = (text: Buffer, maxValues = MAX_VALUES): boolean => {
  let depth = 0;
  let values = 1;
  for (let i = 0; i < text.length; i += 1) {
    const byte = text[i] as number;
    if (byte === QUOTE) {
      i = endOfString(text, i);
    } else if (byte === COMMA) {
      values += 1;
    } else if ((byte | CURLY) === OPENING) {
      depth += 1;
      values += 1;
    } else if ((byte | CURLY) === CLOSING) {
      depth -= 1;
    }
    if (depth > MAX_DEPTH || values > maxValues) return false;
  }
  return true;
};

// Strings are most of a body and are searched by native code.
const endOfString = (text: Buffer, start: number): number => {
  let end = text.indexOf(QUOTE, start + 1);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf(QUOTE, end + 1);
  return end < 0 ? text.length : end;
};

// Linear over all: a run of backslashes is counted for the one quote behind it.
const isEscaped = (text: Buffer, quote: number): boolean => {
  let before = quote - 1;
  while (text[before] === BACKSLASH) before -= 1;
  return (quote - before) % 2 === 0;
};
