import { setImmediate as nextTurn } from 'node:timers/promises';

/** Work done before others get their turn of the event loop, in milliseconds: a heartbeat or a request waits about this long, once per task. */
const SLICE_MS = 10;

/**
 * Cuts a long computation on the event loop into slices, between its items:
 *
 *     const slices = new TimeSlices();
 *     for (const item of items) {
 *       work(item);
 *       if (slices.isOver) await slices.next();
 *     }
 */
export class TimeSlices {
  private endsAt = performance.now() + SLICE_MS;

  /** Whether this slice is used up. */
  get isOver(): boolean {
    return performance.now() >= this.endsAt;
  }

  /** Resolves when everything that waited has had its turn. */
  async next(): Promise<void> {
    await nextTurn();
    this.endsAt = performance.now() + SLICE_MS;
  }
}
