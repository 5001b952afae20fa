/** One acknowledgement to send: of `tag` alone, or with `multiple` of every open tag up to it. */
export interface Ack {
  readonly tag: number;
  readonly isMultiple: boolean;
}

/**
 * Turns settled deliveries of one channel into few acknowledgements. `multiple` covers only a prefix without a gap, else it would settle
 * the gap. Deliveries beyond a gap are acknowledged one by one at once: one slow delivery neither blocks the prefetch nor
 * causes redeliveries of others after a crash.
 */
export class ContiguousAcks {
  /** Open tags in the order of delivery; true = settled and not yet acknowledged. */
  private readonly open = new Map<number, boolean>();

  /** Unacknowledged deliveries. */
  get openCount(): number {
    return this.open.size;
  }

  received(tag: number): void {
    this.open.set(tag, false);
  }

  /** Marks tags as settled. @returns the acknowledgements to send. Ignores tags that are not open: a second ack would close the channel. */
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
