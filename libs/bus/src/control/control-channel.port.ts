import type { ControlAnswer, ControlQuestion, ProcessName } from '#lib/contracts/control';

/** Why a process is listed without an answer. */
export type Silence =
  /** No reply in time: it hangs, is very busy, or crashed. */
  | 'no-answer'
  /** The process is known and cannot be asked now. */
  | 'unreachable'
  /** Another version that does not know the question or answers it differently. */
  | 'not-understood'
  /** The process failed to answer, or its answer was too long. */
  | 'failed';

/** The answer or silence of one process. */
export type ProcessAnswer<T> = ProcessName &
  ({ readonly silent: false; readonly answer: T } | { readonly silent: true; readonly reason: Silence });

/** The answers of all processes. */
export interface ControlAnswers<T> {
  /** Ordered by app, host and pid. */
  readonly processes: readonly ProcessAnswer<T>[];
  /** `unreachable`: only this process and its siblings could be asked; nothing is known of the others. */
  readonly others: 'asked' | 'unreachable';
}

/**
 * Asks every process of every app about itself (ADR 21). For operators and health, never for a request: an answer may be missing, and is
 * a moment old.
 */
export abstract class ControlChannelPort {
  /**
   * Waits for the known processes, this one included, at most a second (1.5 s when a sibling behind the same port hangs). Concurrent calls
   * of one question share its answers. Never rejects: a process without an answer is listed as silent.
   */
  abstract ask<Q extends ControlQuestion>(question: Q): Promise<ControlAnswers<ControlAnswer<Q>>>;
}
