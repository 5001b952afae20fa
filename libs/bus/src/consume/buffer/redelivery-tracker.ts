import type { Delivery } from '../delivery.js';
import { attemptOf, countHeader, header } from '../../wire-message.js';

/** Something that stands for a delivery while it is being worked on. `delivery` changes when the broker sends it again. */
export interface Tracked {
  delivery: Delivery;
}

// A lost acknowledgement comes back as soon as the broker notices that the connection is gone: after three heartbeats at the latest.
const REMEMBERED_MS = 60_000;
// Whoever falls out before its time is handled a second time, which consumers are made for.
const MAX_REMEMBERED = 10_000;

/**
 * Recognises what the broker delivers again because a connection broke while we were working: the work goes on with the new delivery in
 * place of the old one, and what is finished is settled again instead of being done twice. Acknowledgements are not confirmed, so each
 * one sent may be lost with its socket. Only a saving of work, within one process: the guarantee is that handlers may run twice.
 */
export class RedeliveryTracker {
  private readonly held = new Map<string, Tracked>();
  /** When it was finished, oldest first. */
  private readonly finishedAt = new Map<string, number>();

  /** Called for each delivery. `in-progress`: its work goes on, do nothing. `finished`: settle it again. */
  recognise(delivery: Delivery): 'new' | 'in-progress' | 'finished' {
    const key = keyOf(delivery);
    if (key === undefined || !delivery.isRedelivered) return 'new';
    const finishedAt = this.finishedAt.get(key);
    if (finishedAt !== undefined && performance.now() - finishedAt < REMEMBERED_MS) return 'finished';
    const twin = this.held.get(key);
    if (twin === undefined || twin.delivery.generation === delivery.generation) return 'new';
    twin.delivery = delivery;
    return 'in-progress';
  }

  track(held: Tracked): void {
    const key = keyOf(held.delivery);
    if (key !== undefined) this.held.set(key, held);
  }

  forget(held: Tracked): void {
    const key = keyOf(held.delivery);
    if (key !== undefined && this.held.get(key) === held) this.held.delete(key);
  }

  /** It is settled and will not come back on the same try, except by mistake. */
  finished(held: Tracked): void {
    this.forget(held);
    const key = keyOf(held.delivery);
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
 * The same event on the same try is the same delivery. A replayed dead letter starts from its first try again and must not be taken for the
 * one that was finished before. A message without an id cannot be recognised.
 */
const keyOf = (delivery: Delivery): string | undefined => {
  if (delivery.id === undefined) return undefined;
  return `${delivery.id}:${countHeader(delivery, header.replayed)}:${attemptOf(delivery)}`;
};
