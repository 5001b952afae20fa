import type { FoundMessage } from '#lib/contracts/http';
import { NOTICE } from './agent-tool.js';

/**
 * Other ends of lines, changes of direction, and what has no width: tag characters, selectors of variants beyond those of emoji, and spaces of
 * none, in which a text can hide what models read and people do not see. The joiners of words and emoji stay.
 */
const UNSEEN = /[\u0085\u200b\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]|[\u{e0100}-\u{e01ef}]/gu;

/** A text of a stranger as a JSON string, in which everything can be seen. */
export const quoted = (text: string | null): string =>
  JSON.stringify(text).replaceAll(UNSEEN, (unseen) =>
    Array.from({ length: unseen.length }, (_, i) => `\\u${unseen.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );

/**
 * One message on one line. Its text is a JSON string, so no text can pass for another line, and its end is where it says.
 * @param maxLength characters of the text; the rest is left out.
 */
export const lineOf = ({ seq, senderId, createdAt, content, deletedAt }: FoundMessage, maxLength = Number.POSITIVE_INFINITY): string => {
  if (deletedAt !== undefined) return `seq ${seq}, ${senderId}, ${createdAt}: deleted`;
  const text = content.length > maxLength ? `${content.slice(0, maxLength)}…` : content;
  return `seq ${seq}, ${senderId}, ${createdAt}: ${quoted(text)}`;
};

/** The text of a result: what it is, how to take it, then its lines. */
export const textOf = (summary: string, lines: readonly string[]): string =>
  lines.length === 0 ? summary : [summary, NOTICE, ...lines].join('\n');

/** A sentence on what was left out; empty when nothing was. */
export const leftOut = (degraded: readonly string[]): string =>
  degraded.length === 0 ? '' : ` Incomplete: ${degraded.join(', ')} was left out because it failed; ask again later.`;
