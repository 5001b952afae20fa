import type { ControlAnswer, ControlQuestion, ProcessName } from '#lib/contracts/control';

/** Why a process that should answer gave no answer that can be shown. */
export type Silence =
  /** Nothing came in time: it hangs, is very busy, or died without a word. */
  | 'no-answer'
  /** It is known, and cannot be asked now. */
  | 'unreachable'
  /** It runs another version, which does not know the question or answers it differently. */
  | 'not-understood'
  /** It could not make an answer, or its answer was too long. */
  | 'failed';

/** What one process said. */
export type ProcessAnswer<T> = ProcessName &
  ({ readonly silent: false; readonly answer: T } | { readonly silent: true; readonly reason: Silence });

/** What all processes said. */
export interface ControlAnswers<T> {
  /** Ordered by app, host and pid. */
  readonly processes: readonly ProcessAnswer<T>[];
  /** `unreachable`: only the processes beside this one could be asked; nothing is known of the others. */
  readonly others: 'asked' | 'unreachable';
}

/**
 * Asks every process of every app about itself (ADR 21). For operators and health, not for anything that a request depends on: an answer
 * may be missing, and says how things were a moment ago.
 */
export abstract class ControlChannelPort {
  /**
   * Waits for the processes that are known, this one included, at most a second (1.5 s when a sibling behind the same port hangs). Callers
   * that ask the same at the same time share one round. Never rejects: a process that gives no answer is listed as silent.
   */
  abstract ask<Q extends ControlQuestion>(question: Q): Promise<ControlAnswers<ControlAnswer<Q>>>;
}
