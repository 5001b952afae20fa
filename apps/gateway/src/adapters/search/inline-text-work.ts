import { MAX_HIGHLIGHTED, TextWorkPort } from '../../search/text-work.port.js';
import { doTextJob, type TextJobResult } from './text-jobs.js';

/** Does the work in the calling thread, without a queue: for tests and for programs with one user. */
export class InlineTextWork extends TextWorkPort {
  override async excerpts(_caller: string, query: string, texts: readonly string[]): Promise<string[]> {
    return (await doTextJob({ kind: 'excerpts', query, texts, maxRead: MAX_HIGHLIGHTED })) as TextJobResult['excerpts'];
  }

  override async passages(
    _caller: string,
    query: string,
    texts: readonly string[],
    chunks: readonly (number | undefined)[],
  ): Promise<string[]> {
    return (await doTextJob({ kind: 'passages', query, texts, chunks })) as TextJobResult['passages'];
  }

  override async overlap(_caller: string, query: string, texts: readonly string[]): Promise<number[]> {
    return (await doTextJob({ kind: 'overlap', query, texts })) as TextJobResult['overlap'];
  }

  override async tokens(_caller: string, texts: readonly string[], limit: number): Promise<number[]> {
    return (await doTextJob({ kind: 'tokens', texts, limit })) as TextJobResult['tokens'];
  }

  override async close(): Promise<void> {
    // nothing was started
  }
}
