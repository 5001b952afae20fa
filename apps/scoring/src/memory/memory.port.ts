import type { UserId } from '#lib/contracts/ids';
import type { Transcript } from '#lib/scores/transcript';

/** Remembers what users tell (R082, optional). */
export abstract class MemoryPort {
  /**
   * Hands over a conversation. @returns how many things were learnt about the user that were not known before: the same conversation a second
   * time gives fewer or none, so that a later revision of a score keeps the number of the first. 0 when the API is out: scoring goes on without
   * it. Settles within 11 s. @throws the reason of `signal`.
   */
  abstract newMemories(transcript: Transcript, userId: UserId, signal: AbortSignal): Promise<number>;
  /** Closes its connections, if it has any. */
  close(): void {}
}
