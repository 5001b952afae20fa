import type { OutgoingFrame } from './live-session.js';
import type { SessionLimits } from './session-limits.js';
import type { SessionSocket } from './session-socket.js';

const NEVER = Number.POSITIVE_INFINITY;

/** What goes out over one socket, and whether its client reads it: as fast as it comes, or at all. */
export class UnsentFrames {
  /** Frames that were sent. */
  sentCount = 0;
  /** `performance.now()` when some of what is unsent must have gone out; infinite while nothing waits for that. */
  progressBy = NEVER;
  /** Made with the first one: a session that never catches up has none. */
  private waiters: ((isDrained: boolean) => void)[] | undefined;

  constructor(
    private readonly socket: SessionSocket,
    private readonly limits: SessionLimits,
  ) {}

  /** @returns false when more is unsent now than may be: the client reads too slowly. */
  send(frame: OutgoingFrame): boolean {
    this.sentCount += 1;
    this.socket.send(frame);
    if (!this.isBeyond(1)) return true;
    // Much of it may wait for the end of this turn only.
    this.socket.flush();
    return !this.isBeyond(1);
  }

  /** Settles when less than half of what may be unsent is unsent: true, or false when it ends before. */
  drained(): Promise<boolean> {
    this.socket.flush();
    if (!this.isBeyond(0.5)) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.waiters ??= [];
    this.waiters.push(resolve);
    if (this.progressBy === NEVER) this.expectProgress();
    return promise;
  }

  /** Some of what was unsent is with the kernel. */
  onWritten(): void {
    if (this.waiters === undefined) return;
    if (this.isBeyond(0.5)) this.expectProgress();
    else this.settle(true);
  }

  /** Nothing more goes out. */
  end(): void {
    this.settle(false);
  }

  /** A client that reads nothing for as long as it may take to answer a ping is stalled. */
  private expectProgress(): void {
    this.progressBy = performance.now() + this.limits.pongTimeoutMs;
  }

  private settle(isDrained: boolean): void {
    const { waiters } = this;
    this.waiters = undefined;
    this.progressBy = NEVER;
    for (const tell of waiters ?? []) tell(isDrained);
  }

  /** Whether more than this share of what may be unsent is unsent. */
  private isBeyond(share: number): boolean {
    const { bufferFrames, bufferBytes } = this.limits;
    return this.socket.unsentFrames > share * bufferFrames || this.socket.unsentBytes > share * bufferBytes;
  }
}
