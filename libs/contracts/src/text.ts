import { z } from 'zod';

/** The longest message, in UTF-16 code units (contract section 3). */
export const MAX_CONTENT_LENGTH = 16_384;

// Tab, line feed and carriage return are text; every other C0/C1 control and DEL is not (U+0000 cannot even be stored by Postgres).
// biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are what is being refused.
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

const whatIsWrong = (text: string): string | undefined => {
  if (!text.isWellFormed()) return 'must not contain lone surrogates';
  if (CONTROL.test(text)) return 'must not contain control characters';
  return undefined;
};

/** Text that a person wrote: well-formed Unicode, no control characters except tab and line breaks, `min`-`max` UTF-16 units. */
export const humanText = ({ min = 1, max }: { min?: number; max: number }) =>
  z
    .string()
    .min(min)
    .max(max)
    .superRefine((text, context) => {
      const problem = whatIsWrong(text);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    });

/** The text of a message: 1-16,384 characters of human text, and something other than white space. */
export const Content = humanText({ max: MAX_CONTENT_LENGTH }).refine((text) => text.trim().length > 0, 'must not be blank');
