import type { ReceiptFrame } from './frames.js';

interface Watermarks {
  deliveredSeq?: number | undefined;
  readSeq?: number | undefined;
}

/** Receipts on their way: one per conversation however many were given, each number only rising. Those that a lost connection may have lost go again. */
export class Receipts {
  private waiting = new Map<string, Watermarks>();
  /** Sent since the last ping, and since the one before it: what is older has arrived on a connection that lives. */
  private sent = new Map<string, Watermarks>();
  private sentBefore = new Map<string, Watermarks>();

  put(conversationId: string, marks: Watermarks): void {
    this.waiting.set(conversationId, higher(this.waiting.get(conversationId), marks));
  }

  next(): ReceiptFrame | undefined {
    for (const [conversationId, marks] of this.waiting) {
      this.waiting.delete(conversationId);
      this.sent.set(conversationId, higher(this.sent.get(conversationId), marks));
      return { type: 'receipt', conversationId, ...marks };
    }
    return undefined;
  }

  pinged(): void {
    this.sentBefore = this.sent;
    this.sent = new Map();
  }

  repeatAll(): void {
    for (const [conversationId, marks] of [...this.sentBefore, ...this.sent]) this.put(conversationId, marks);
    this.sentBefore = new Map();
    this.sent = new Map();
  }

  /** The server could not record it. @returns whether there is something to send again. */
  failed(conversationId: string): boolean {
    const marks = higher(this.sentBefore.get(conversationId), this.sent.get(conversationId) ?? {});
    if (marks.deliveredSeq === undefined && marks.readSeq === undefined) return false;
    this.put(conversationId, marks);
    return true;
  }

  forget(conversationId: string): void {
    for (const marks of [this.waiting, this.sent, this.sentBefore]) marks.delete(conversationId);
  }
}

const higher = (one: Watermarks = {}, other: Watermarks): Watermarks => ({
  ...highest('deliveredSeq', one, other),
  ...highest('readSeq', one, other),
});

function highest(name: keyof Watermarks, one: Watermarks, other: Watermarks): Watermarks {
  const seq = Math.max(one[name] ?? -1, other[name] ?? -1);
  return seq < 0 ? {} : { [name]: seq };
}
