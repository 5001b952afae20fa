import { beginningOf, highlight } from '../../search/highlight.js';
import { overlapScores } from '../../search/word-overlap.js';
import { withoutLongRuns } from '#lib/contracts/text';
import { splitText } from '#lib/vectors/chunking/chunk-message';
import { AskedWords } from '../../search/words.js';
import { countTokens } from './bpe-tokens.js';

/** A text job as it is sent to a thread. */
export type TextJob =
  | { readonly kind: 'excerpts'; readonly query: string; readonly texts: readonly string[]; readonly maxRead: number }
  | {
      readonly kind: 'passages';
      readonly query: string;
      readonly texts: readonly string[];
      readonly chunks: readonly (number | undefined)[];
    }
  | { readonly kind: 'overlap'; readonly query: string; readonly texts: readonly string[] }
  | { readonly kind: 'tokens'; readonly texts: readonly string[]; readonly limit: number };

/** The result of a job: an excerpt, a passage, a score or a count per text. */
export interface TextJobResult {
  readonly excerpts: string[];
  readonly passages: string[];
  readonly overlap: number[];
  readonly tokens: number[];
}

/** Does a job in the calling thread. Pure: the same job gives the same result in every thread. */
export const doTextJob = async (job: TextJob): Promise<TextJobResult[TextJob['kind']]> => {
  switch (job.kind) {
    case 'excerpts':
      return excerpts(job.query, job.texts, job.maxRead);
    case 'passages':
      return job.texts.map((text, i) => passage(job.query, text, job.chunks[i]));
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

/** Cut as the indexer cuts it, so that a number means the same chunk. */
const passage = (query: string, text: string, chunk: number | undefined): string => {
  const chunks = splitText(withoutLongRuns(text));
  const named = chunk === undefined ? undefined : chunks[chunk];
  if (named !== undefined) return named;
  const scores = overlapScores(query, chunks);
  return chunks[scores.indexOf(Math.max(...scores))] ?? text;
};
