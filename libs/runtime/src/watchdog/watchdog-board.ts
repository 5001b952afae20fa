const BEATS = 0;
const LATEST = 1;
const LENGTHS = 2;
const SLOTS = 2;
const HEADER_INTS = 4;
/** Room for one snapshot; a report of 50 units of work takes about 20 KiB. */
const SLOT_BYTES = 65_536;

/**
 * Memory that the main thread and its watchdog share: a heartbeat, and the last snapshot of what the process has in hand. It can be read
 * while the main thread is stuck in a loop. Two slots, so that a snapshot that is being written never replaces the one that is whole.
 */
export class WatchdogBoard {
  private readonly header: Int32Array;

  constructor(readonly memory = new SharedArrayBuffer(HEADER_INTS * 4 + SLOTS * SLOT_BYTES)) {
    this.header = new Int32Array(memory, 0, HEADER_INTS);
  }

  get beats(): number {
    return Atomics.load(this.header, BEATS);
  }

  beat(): void {
    Atomics.add(this.header, BEATS, 1);
  }

  /** Keeps a snapshot. One that is too long is left out, and the one before it stays. */
  write(snapshot: string): void {
    const slot = 1 - Atomics.load(this.header, LATEST);
    const { read, written } = new TextEncoder().encodeInto(snapshot, this.slot(slot));
    if (read < snapshot.length) return;
    Atomics.store(this.header, LENGTHS + slot, written);
    Atomics.store(this.header, LATEST, slot);
  }

  /** The last whole snapshot; empty when there is none yet. */
  read(): string {
    const slot = Atomics.load(this.header, LATEST);
    const bytes = this.slot(slot).slice(0, Atomics.load(this.header, LENGTHS + slot)); // a copy: decoders refuse shared memory
    return new TextDecoder().decode(bytes);
  }

  private slot(slot: number): Uint8Array {
    return new Uint8Array(this.memory, HEADER_INTS * 4 + slot * SLOT_BYTES, SLOT_BYTES);
  }
}
