import type { WireMessage } from '../../wire-message.js';

/** A message that the broker delivered to this process and that is not settled yet. */
export interface Delivery extends WireMessage {
  /** The work queue that it came from. */
  readonly queue: string;
  /** The channel that delivered it, counted per source. When the channel closes, the broker delivers the message again. */
  readonly generation: number;
  /** The delivery tag within that generation: 1, 2, 3, ... */
  readonly tag: number;
  /** Whether the broker delivered it before. */
  readonly isRedelivered: boolean;
  /** Returns to the queue because a consumer died or lost its connection. None of them is an attempt. */
  readonly returnCount: number;
}
