import type { Step } from './step.js';

/** What is stored of a message, or of the end of a conversation. */
export interface Rows {
  readonly steps: readonly Step[];
  /** What is not there of the messages that are, in sentences. */
  readonly missing: readonly string[];
  /** Those of the messages asked for that are stored; of a deleted one its place is. */
  readonly messageIds: readonly string[];
  /** `seq` and conversation of the message, to be shown. */
  readonly about: readonly string[];
}

/** Messages and events whose way is asked for. Ids that are no UUID are left out. */
export interface TracedIds {
  readonly messageIds: readonly string[];
  readonly eventIds: readonly string[];
}

/** What the store tells of the ways of messages: times and states of each stage, no content. */
export abstract class MessageTracesPort {
  /** Of unknown ids there is nothing. @throws DependencyError. */
  abstract stepsOf(ids: TracedIds): Promise<Rows>;
}
