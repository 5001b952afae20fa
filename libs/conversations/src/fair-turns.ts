/**
 * In which order what several senders want is done, so that each gets the same share of the work (self-clocked fair queueing, Golestani 1994).
 * Each item gets a turn: a number that lies behind the turn that is served now, and behind the earlier turns of its sender, by what the
 * item costs. So a cheap item comes before a dear one, a sender's backlog stands behind the first items of all others, and nothing waits
 * for ever: turns only rise, so that in time every item has the lowest.
 */
export class FairTurns {
  /** The highest turn that was served. */
  private served = 0;
  /** Of senders who have items waiting: the turn of their last, and how many there are. */
  private readonly waiting = new Map<string, { turn: number; count: number }>();

  /** The turn of the next item of `sender`; the lowest comes first. `cost` is in any unit, above 0. */
  take(sender: string, cost: number): number {
    const earlier = this.waiting.get(sender);
    const turn = Math.max(this.served, earlier?.turn ?? 0) + cost;
    this.waiting.set(sender, { turn, count: (earlier?.count ?? 0) + 1 });
    return turn;
  }

  /** An item that was served waits again, with the turn that it had. */
  takeBack(sender: string, turn: number): void {
    const earlier = this.waiting.get(sender);
    this.waiting.set(sender, { turn: Math.max(turn, earlier?.turn ?? 0), count: (earlier?.count ?? 0) + 1 });
  }

  /** An item is served now. */
  serve(sender: string, turn: number): void {
    this.served = Math.max(this.served, turn);
    this.leave(sender);
  }

  /** An item waits no longer, without having been served. */
  leave(sender: string): void {
    const mine = this.waiting.get(sender);
    if (mine === undefined) return;
    mine.count -= 1;
    if (mine.count === 0) this.waiting.delete(sender);
  }
}
