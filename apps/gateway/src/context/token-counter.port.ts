import type { UserId } from '#lib/contracts/ids';
import type { Message } from '#lib/conversations/message';

/** What is counted: the same id and version have the same text. */
export type Countable = Pick<Message, 'id' | 'version' | 'content'>;

/** Counts the tokens that a language model would read. */
export abstract class TokenCounterPort {
  /**
   * Tokens of each message, in their order, up to the one with which their sum passes `limit`: what comes after it is not counted, and it is
   * counted only as far as was needed. Never too low, at most slightly too high. `caller` is the user it is for.
   * Throws SemaphoreFull or DeadlineExceeded when it cannot in time.
   */
  abstract count(messages: readonly Countable[], limit: number, caller: UserId): Promise<number[]>;
}
