/** One acknowledgement to send: of `tag` alone, or of it and everything before it that is still open. */
export interface Ack {
  readonly tag: number;
  readonly isMultiple: boolean;
}

/**
 * Turns settled deliveries of one channel into as few acknowledgements as possible. `multiple` is only ever used over a prefix without
 * a gap: it would settle what is in the gap too. What is settled beyond a gap is acknowledged one by one at once rather than
 * kept back, so that one slow delivery neither blocks the prefetch nor makes others come again after a crash.
 */
export class ContiguousAcks {
  /** Open tags in the order of delivery; true = settled and not yet acknowledged. */
  private readonly open = new Map<number, boolean>();

  /** Deliveries that are not acknowledged. */
  get openCount(): number {
    return this.open.size;
  }

  received(tag: number): void {
    this.open.set(tag, false);
  }

  /** Marks tags as settled and says what to send for them. Tags that are not open are ignored: a second ack would close the channel. */
  settle(tags: Iterable<number>): Ack[] {
    const settled = [...tags].filter((tag) => this.open.has(tag));
    for (const tag of settled) this.open.set(tag, true);

    const prefix: number[] = [];
    for (const [tag, isSettled] of this.open) {
      if (!isSettled) break;
      prefix.push(tag);
    }
    const last = prefix.at(-1);
    const acks: Ack[] = last === undefined ? [] : [{ tag: last, isMultiple: prefix.length > 1 }];
    for (const tag of prefix) this.open.delete(tag);

    for (const tag of settled) if (this.open.delete(tag)) acks.push({ tag, isMultiple: false });
    return acks;
  }
}
