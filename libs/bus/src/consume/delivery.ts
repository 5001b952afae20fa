import type { WireMessage } from '../wire-message.js';

/** A message that a transport handed to us and that is ours until we settle it. */
export interface Delivery extends WireMessage {
  /** The work queue it came from. */
  readonly queue: string;
  /** Which opening of the tap it came through. When that one is gone, so is the right to settle it: the broker delivers it again. */
  readonly generation: number;
  /** Its number within that generation: 1, 2, 3, ... */
  readonly tag: number;
  /** Whether the broker says that it was delivered before. */
  readonly isRedelivered: boolean;
  /** How often it came back because whoever had it died or lost its connection. No attempt of ours: nobody said that it failed. */
  readonly returnCount: number;
}
