import type { Step } from './step.js';

/** What is stored of a message, or of the end of a conversation. */
export interface Rows {
  readonly steps: readonly Step[];
  readonly missing: readonly string[];
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
  /** Unknown ids are in `missing`. @throws DependencyError. */
  abstract stepsOf(ids: TracedIds): Promise<Rows>;
}
