const EMPTY = Buffer.alloc(0);

/** The bytes of a body as far as they have arrived. What it holds grows with them and never with what was announced. */
export class ArrivingBody {
  private buffer: Buffer = EMPTY;
  private length = 0;

  /** @param maxBytes as long as it may become: doubling stops there. */
  constructor(private readonly maxBytes: number) {}

  /** The bytes that have arrived. A view that is good until more arrive. */
  get bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  /** By how many bytes memory will grow when `count` more arrive: not at all, by exactly as many at first, then by doubling up to the limit. */
  growthFor(count: number): number {
    const needed = this.length + count;
    if (needed <= this.buffer.length) return 0;
    return Math.max(needed, Math.min(2 * this.buffer.length, this.maxBytes)) - this.buffer.length;
  }

  add(chunk: Buffer): void {
    const growth = this.growthFor(chunk.length);
    if (growth > 0) {
      const grown = Buffer.allocUnsafe(this.buffer.length + growth);
      this.buffer.copy(grown, 0, 0, this.length);
      this.buffer = grown;
    }
    chunk.copy(this.buffer, this.length);
    this.length += chunk.length;
  }
}
