/** Counts the tokens that a language model would read. */
export abstract class TokenCounterPort {
  /** Tokens of each text, in order. May be a few too many, never too few to rely on. */
  abstract count(texts: readonly string[]): Promise<number[]>;
}
