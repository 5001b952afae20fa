import type { OutgoingFrame } from './live-session.js';

/** The connection of one session. The adapter calls the session for each frame and for the end. */
export interface SessionSocket {
  /** Frames and bytes that are not yet with the kernel, because the client reads slowly. */
  readonly unsentFrames: number;
  readonly unsentBytes: number;
  /** Hands what was sent in this turn of the event loop to the kernel now. */
  flush(): void;
  send(frame: OutgoingFrame): void;
  /** Its user is known: it does not count as one of a stranger any more. */
  known(): void;
  /** Stops or goes on reading. Frames that have been read already still come. */
  pause(): void;
  resume(): void;
  /** Sends a close frame behind what is unsent. @param reason at most 123 bytes. */
  close(code: number, reason: string): void;
  /** Cuts the connection and frees what is unsent. */
  terminate(): void;
}
