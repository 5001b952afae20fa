import { MAX_TRANSCRIPT_LENGTH, type Turn } from '#lib/scores/transcript';

/** The newest turns that fit into MAX_TRANSCRIPT_LENGTH, oldest first; of a newest one that is longer its beginning. @param turns newest first. */
export const newestTurns = (turns: Iterable<Turn>): Turn[] => {
  const taken: Turn[] = [];
  let left = MAX_TRANSCRIPT_LENGTH;
  for (const { role, content } of turns) {
    if (content.length > left && taken.length > 0) break;
    taken.push({ role, content: beginning(content, left) });
    left -= content.length;
    if (left <= 0) break;
  }
  return taken.reverse();
};

// Never half of a surrogate pair.
const beginning = (text: string, length: number): string => {
  if (text.length <= length) return text;
  const cut = text.slice(0, length);
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
};
