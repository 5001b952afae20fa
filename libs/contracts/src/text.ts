import { z } from 'zod';

/** The longest message, in UTF-16 code units (docs/reference/text.md). */
export const MAX_CONTENT_LENGTH = 16_384;

/**
 * Combining marks in a row that a text may have, counted after compatibility decomposition: the Stream-Safe Text Format of UAX #15.
 * Every normalization sorts such a run, so its cost grows with the square of the run's length; no language needs more than a handful.
 */
export const MAX_MARKS = 30;

// Composed scripts without marks and controls: a text of only these has no run of marks and no bidirectional control.
const PLAIN =
  /^[\t\n\r\x20-\x7e\u00a0-\u02ff\u0370-\u0482\u048a-\u052f\u1e00-\u1eff\u2010-\u2027\u2030-\u205e\u20a0-\u20c0\u3001-\u3020\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff5e]*$/;

// Tab, line feed and carriage return are text; every other C0/C1 control and DEL is not (U+0000 cannot even be stored by Postgres).
// biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are what is being refused.
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

// U+FF9E and U+FF9F are letters whose decomposition is a mark.
const MARK = /[\p{M}\uff9e\uff9f]/u;
// No character decomposes into more than 3 marks: with the one before it a run of 9 gives at most 30.
const SUSPICIOUS_RUN = /.?[\p{M}\uff9e\uff9f]{10,}/gsu;
const ANY_MARK = /\p{M}/gu;

// Shown as something, be it a dotted circle or a box: not white space, not a control, and not one of the characters made to show nothing
// (joiners, variation selectors, tags, Hangul fillers, the Braille blank and the like). Unassigned ones may be emoji newer than this Node.
const VISIBLE =
  /[[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Co}\p{Cn}]--[\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800\ufffc\u{13441}\u{13442}\u{1d159}]]/v;

const BIDI_CONTROL = /[\u202a-\u202e\u2066-\u2069]/g;
const POP_FORMATTING = '\u202c';
const ISOLATES = /[\u2066-\u2068]/;
const POP_ISOLATE = '\u2069';

const hasLongRun = (text: string): boolean => {
  if (!MARK.test(text)) return false;
  for (const [run] of text.matchAll(SUSPICIOUS_RUN)) {
    let marks = 0;
    // Character by character: decomposing the whole run is the cost that this check prevents.
    for (const character of run) {
      marks += character.normalize('NFKD').match(ANY_MARK)?.length ?? 0;
      if (marks > MAX_MARKS) return true;
    }
  }
  return false;
};

/** Whether each bidirectional embedding, override and isolate is closed (UAX #9), so that it cannot reorder the text shown after it. */
const isBalanced = (text: string): boolean => {
  const open: string[] = [];
  for (const [control] of text.matchAll(BIDI_CONTROL)) {
    if (control !== POP_FORMATTING && control !== POP_ISOLATE) open.push(ISOLATES.test(control) ? POP_ISOLATE : POP_FORMATTING);
    else if (open.pop() !== control) return false;
  }
  return open.length === 0;
};

const costProblem = (text: string): string | undefined => {
  if (PLAIN.test(text)) return undefined;
  if (!text.isWellFormed()) return 'must be well-formed Unicode: it has half of a surrogate pair';
  if (CONTROL.test(text)) return 'must not contain control characters other than tab and line breaks';
  if (hasLongRun(text)) return `must not have more than ${MAX_MARKS} combining marks in a row`;
  return undefined;
};

const visibilityProblem = (text: string): string | undefined =>
  text === '' || VISIBLE.test(text) ? undefined : 'must have at least one visible character';

/**
 * Why this text is refused, as a sentence that follows the field's name, or undefined: the policy of docs/reference/text.md for text that may
 * be empty. Linear in length: at most about 3 ms for 16,384 units of the worst text, microseconds for an ordinary one.
 */
export const textProblem = (text: string): string | undefined =>
  costProblem(text) ??
  (isBalanced(text) ? undefined : 'must close every bidirectional control (U+202A-U+202E, U+2066-U+2069) that it opens') ??
  visibilityProblem(text);

/** @param maxUnits UTF-16 units, which bound what a text costs; `max` of zod counts code points, of which a character outside the BMP is one. */
const text = (max: number, problemOf: (text: string) => string | undefined, maxUnits = max) =>
  z
    .string()
    .min(1)
    .max(max)
    .superRefine((value, context) => {
      if (value.length <= maxUnits) {
        const problem = problemOf(value);
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
      } else if (context.issues.length === 0) {
        const message = `Too big: expected string to have <=${maxUnits} UTF-16 units, of which an emoji takes two or more`;
        context.addIssue({ code: 'too_big', origin: 'string', maximum: maxUnits, inclusive: true, input: value, message });
      }
    });

/** Human-readable text: 1-`max` UTF-16 units that {@link textProblem} accepts. */
export const humanText = ({ max }: { max: number }) => text(max, textProblem);

/** The text of a message that a client sends: 1-16,384 units of human text. */
export const Content = humanText({ max: MAX_CONTENT_LENGTH });

/**
 * The text of a stored message, perhaps stored by a version that accepted more: refuses only text that costs too much or cannot be stored.
 * Invisible or direction-changing text harms no consumer, and an upgrade must not turn it into dead letters.
 */
export const StoredContent = text(MAX_CONTENT_LENGTH, costProblem, 2 * MAX_CONTENT_LENGTH);

/**
 * `text` without the marks beyond the 30th of a run, for texts stored before such runs were refused; any other text unchanged.
 * Linear in length.
 */
export const withoutLongRuns = (stored: string): string => {
  if (!hasLongRun(stored)) return stored;
  let marks = 0;
  let kept = '';
  for (const character of stored) {
    const decomposed = character.normalize('NFKD');
    const own = decomposed.match(ANY_MARK)?.length ?? 0;
    // A character that is not a mark starts a new run with the marks that follow it.
    if (own < Array.from(decomposed).length) marks = own;
    else if (marks + own <= MAX_MARKS) marks += own;
    else continue;
    kept += character;
  }
  return kept;
};
