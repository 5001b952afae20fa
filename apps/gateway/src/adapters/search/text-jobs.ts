import { beginningOf, highlight } from '../../search/highlight.js';
import { overlapScores } from '../../search/word-overlap.js';
import { AskedWords } from '../../search/words.js';
import { countTokens } from './bpe-tokens.js';

/** A text job as it is sent to a thread. */
export type TextJob =
  | { readonly kind: 'excerpts'; readonly query: string; readonly texts: readonly string[]; readonly maxRead: number }
  | { readonly kind: 'overlap'; readonly query: string; readonly texts: readonly string[] }
  | { readonly kind: 'tokens'; readonly texts: readonly string[]; readonly limit: number };

/** The result of a job: an excerpt, a score or a count per text. */
export interface TextJobResult {
  readonly excerpts: string[];
  readonly overlap: number[];
  readonly tokens: number[];
}

/** Does a job in the calling thread. Pure: the same job gives the same result in every thread. */
export const doTextJob = async (job: TextJob): Promise<TextJobResult[TextJob['kind']]> => {
  switch (job.kind) {
    case 'excerpts':
      return excerpts(job.query, job.texts, job.maxRead);
    case 'overlap':
      return overlapScores(job.query, job.texts);
    case 'tokens':
      return countTokens(job.texts, job.limit);
    default:
      return job satisfies never;
  }
};

const excerpts = (query: string, texts: readonly string[], maxRead: number): string[] => {
  const asked = new AskedWords(query);
  let left = maxRead;
  return texts.map((text) => {
    if (left <= 0) return beginningOf(text);
    const excerpt = highlight(text, asked, left);
    left -= text.length;
    return excerpt;
  });
};
