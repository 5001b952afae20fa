import type { UserId } from '#lib/contracts/ids';

/**
 * Work on stored texts whose cost grows with their length. Runs off the event loop, scheduled fairly between callers: each call names the
 * caller it is for.
 *
 * Every call throws SemaphoreFull when too many jobs of this caller, or of all callers, wait already, and DeadlineExceeded when the deadline
 * of the running unit of work passes first.
 */
export abstract class TextWorkPort {
  /**
   * An excerpt of each text around what answers `query` (highlight.ts), in their order. Texts beyond {@link MAX_HIGHLIGHTED} units in all are
   * not searched: their excerpt is their beginning.
   */
  abstract excerpts(caller: UserId, query: string, texts: readonly string[]): Promise<string[]>;

  /**
   * The passage of each text that answers `query` best: the chunk of the number beside it, else the one that shares most words with the query.
   * About as long as a chunk.
   */
  abstract passages(caller: UserId, query: string, texts: readonly string[], chunks: readonly (number | undefined)[]): Promise<string[]>;

  /** How well each text answers `query` by its words, between 0 and 1, in their order (word-overlap.ts). */
  abstract overlap(caller: UserId, query: string, texts: readonly string[]): Promise<number[]>;

  /**
   * Tokens of each text, in their order, up to the one with which their sum passes `limit`; those after it are missing, and that one may have
   * been counted only as far as was needed to see that.
   */
  abstract tokens(caller: UserId, texts: readonly string[], limit: number): Promise<number[]>;

  /** Stops its threads and rejects waiting jobs. */
  abstract close(): Promise<void>;
}

/** UTF-16 units that are searched for the excerpts of one answer: 12 of the longest messages, or 50 of 4,000 units. About 5 ms. */
export const MAX_HIGHLIGHTED = 200_000;
