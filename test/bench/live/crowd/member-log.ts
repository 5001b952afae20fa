/** What the sockets of one conversation saw, message by message. Times of the machine's clock, in milliseconds. */
export interface ConversationLog {
  /** By seq (index 0 is unused): how many members have it, and when the first and the last of them got it. */
  readonly counts: Uint32Array;
  readonly firstAt: Float64Array;
  readonly lastAt: Float64Array;
}

/** A log of messages 1 to `capacity`. */
export const conversationLog = (capacity: number): ConversationLog => ({
  counts: new Uint32Array(capacity + 1),
  firstAt: new Float64Array(capacity + 1),
  lastAt: new Float64Array(capacity + 1),
});

/** What came to one member over all its connections, before any rule of a client: what is missing, twice, or late. */
export class MemberLog {
  private readonly seen: Uint8Array;
  private newest = 0;
  /** Everything up to here has come. */
  contiguous = 0;
  duplicated = 0;
  outOfOrder = 0;

  constructor(capacity: number) {
    this.seen = new Uint8Array(capacity + 2);
  }

  /** @returns whether it is new. */
  note(seq: number): boolean {
    if (seq >= this.seen.length) return false;
    if (this.seen[seq] === 1) {
      this.duplicated += 1;
      return false;
    }
    this.seen[seq] = 1;
    if (seq < this.newest) this.outOfOrder += 1;
    else this.newest = seq;
    while (this.seen[this.contiguous + 1] === 1) this.contiguous += 1;
    return true;
  }

  /** Of messages 1 to `head`: how many never came. */
  missing(head: number): number {
    let count = 0;
    for (let seq = 1; seq <= head; seq += 1) if (this.seen[seq] !== 1) count += 1;
    return count;
  }
}
