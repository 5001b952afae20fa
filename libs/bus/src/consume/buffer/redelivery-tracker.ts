import type { Delivery } from '../source/delivery.js';
import { attemptOf, countHeader, header } from '../../wire-message.js';

/** Work on a delivery. `delivery` is replaced when the broker delivers the same message again. */
export interface Tracked {
  delivery: Delivery;
}

// The broker redelivers after a lost acknowledgement once it notices the lost connection: after three heartbeats at the latest.
const REMEMBERED_MS = 60_000;
// An event evicted early may be handled twice, which handlers must bear anyway.
const MAX_REMEMBERED = 10_000;

/**
 * Recognises redeliveries after a broken connection: work in progress takes over the new delivery, finished work is acknowledged again
 * instead of handled twice. Acknowledgements are not confirmed, so any may be lost with its socket. Saves work within one process; handlers
 * may still run twice.
 */
export class RedeliveryTracker {
  private readonly inProgress = new Map<string, Tracked>();
  /** Time of finishing by key, oldest first. */
  private readonly finishedAt = new Map<string, number>();

  /** Classifies a delivery. `in-progress`: its work took it over. `finished`: acknowledge it again. */
  recognise(delivery: Delivery): 'new' | 'in-progress' | 'finished' {
    const key = keyOf(delivery);
    if (key === undefined || !delivery.isRedelivered) return 'new';
    const finishedAt = this.finishedAt.get(key);
    if (finishedAt !== undefined && performance.now() - finishedAt < REMEMBERED_MS) return 'finished';
    const tracked = this.inProgress.get(key);
    if (tracked === undefined || tracked.delivery.generation === delivery.generation) return 'new';
    tracked.delivery = delivery;
    return 'in-progress';
  }

  track(work: Tracked): void {
    const key = keyOf(work.delivery);
    if (key !== undefined) this.inProgress.set(key, work);
  }

  forget(work: Tracked): void {
    const key = keyOf(work.delivery);
    if (key !== undefined && this.inProgress.get(key) === work) this.inProgress.delete(key);
  }

  /** Marks settled work: a redelivery of the same attempt is a lost acknowledgement. */
  finished(work: Tracked): void {
    this.forget(work);
    const key = keyOf(work.delivery);
    if (key === undefined) return;
    const now = performance.now();
    this.finishedAt.delete(key);
    this.finishedAt.set(key, now);
    for (const [oldest, at] of this.finishedAt) {
      if (this.finishedAt.size <= MAX_REMEMBERED && now - at < REMEMBERED_MS) return;
      this.finishedAt.delete(oldest);
    }
  }
}

/**
 * Identifies a delivery by event, replay and attempt: a replayed dead letter, on its first attempt again, is not the one that finished
 * before. A message without an id is not recognised.
 */
const keyOf = (delivery: Delivery): string | undefined => {
  if (delivery.id === undefined) return undefined;
  return `${delivery.id}:${countHeader(delivery, header.replayed)}:${attemptOf(delivery)}`;
};
