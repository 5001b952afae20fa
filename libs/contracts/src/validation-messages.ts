import type { z } from 'zod';

const types: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

const formats: Readonly<Record<string, string>> = {
  uuid: 'must be a UUID',
  datetime: 'must be a time with its offset (RFC 3339), e.g. 2026-01-31T09:30:00Z',
};

const units: Readonly<Record<string, string>> = { string: ' characters', array: ' entries' };

/** Says what a field must be, in words a client can act on; never zod's term, never what was sent. */
export const sentenceOf = (issue: z.core.$ZodIssue): string => {
  switch (issue.code) {
    case 'invalid_type':
      return isMissing(issue) ? 'is missing' : `must be ${types[issue.expected] ?? issue.expected}`;
    case 'too_big':
      return `must be at most ${Number(issue.maximum).toLocaleString('en')}${units[issue.origin] ?? ''}`;
    case 'too_small':
      return `must be at least ${Number(issue.minimum).toLocaleString('en')}${units[issue.origin] ?? ''}`;
    case 'invalid_value':
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'unrecognized_keys':
      return 'is not a field of this request';
    case 'invalid_format':
      return formats[issue.format] ?? issue.message;
    case 'custom': // ours: it says its own sentence
    case 'invalid_element':
    case 'invalid_key':
    case 'invalid_union':
    case 'not_multiple_of':
      return issue.message;
    default:
      return issue satisfies never;
  }
};

// Zod keeps no input in its issues; only its message tells whether there was any.
const isMissing = ({ message }: z.core.$ZodIssue): boolean => message.endsWith('received undefined');
