/** How often the loop is looked at, in milliseconds: what is shorter is no standstill, but work. */
const TICK_MS = 100;

/**
 * How long the event loop of this process stood still, in milliseconds since this was made. A call that met it says nothing about its dependency: the
 * answer may have been there, or the question had not left.
 */
export class LoopClock {
  private lastTickAt = performance.now();
  private lostMs = 0;

  constructor() {
    setInterval(() => this.tick(), TICK_MS).unref();
  }

  /** The standstill that has just ended is part of it, whichever timer runs first. */
  get standstillMs(): number {
    return this.lostMs + this.lateMs;
  }

  private tick(): void {
    this.lostMs += this.lateMs;
    this.lastTickAt = performance.now();
  }

  /** A tick that is due is late by less than one, as long as nothing holds the loop. */
  private get lateMs(): number {
    const lateMs = performance.now() - this.lastTickAt - TICK_MS;
    return lateMs < TICK_MS ? 0 : lateMs;
  }
}
