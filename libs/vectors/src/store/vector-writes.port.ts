import type { MessageId } from '#lib/contracts/ids';

/** A write to the vector store that may be executed yet: its process died, or got no answer. */
export interface UnsettledWrite {
  readonly id: string;
  readonly messageIds: readonly MessageId[];
  /** How often its messages were found in step since. */
  readonly checks: number;
}

/** Clean checks after which a write counts as settled: the first shows that the store answers, the second what it did when it came back. */
export const CHECKS_TO_SETTLE = 2;

/**
 * The intent log of the vector store, which has no transactions and executes late what its caller has given up on (ADR 19):
 *
 *     begin --(the store answered)--> end: gone
 *       `-----(no answer, or the process died)--> unsettled --checked, twice in step--> gone
 *                                                     ^---checked, not in step---'
 */
export abstract class VectorWritesPort {
  /** Notes that vectors of these messages are about to be written or removed. @returns the write's id. */
  abstract begin(messageIds: readonly MessageId[]): Promise<string>;
  /** The store has answered: nothing of this write will happen any more. */
  abstract end(id: string): Promise<void>;
  /** Up to `limit` writes that began more than `graceMs` ago and were not checked within the last `pauseMs`, oldest first. */
  abstract unsettled(graceMs: number, pauseMs: number, limit: number): Promise<UnsettledWrite[]>;
  /** The messages of a write were compared with the store. Of two that compared at once one counts. */
  abstract checked(write: UnsettledWrite, isInStep: boolean): Promise<void>;
}
