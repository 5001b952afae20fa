import type { Delivery } from './delivery.js';
import { attemptOf } from './wire-message.js';

/** Something that stands for a delivery while it is being worked on. `delivery` changes when the broker sends it again. */
export interface Held {
  delivery: Delivery;
}

// Ten times the largest prefetch. Whoever falls out is handled a second time, which consumers are made for.
const MAX_REMEMBERED = 4_000;

/**
 * Recognises what the broker delivers again because a channel died while we were working. The work goes on with the new
 * delivery in place of the old one, and what was finished in vain is settled when it comes back instead of being done twice.
 */
export class Twins {
  private readonly held = new Map<string, Held>();
  private readonly finishedInVain = new Set<string>();

  /** Called for each delivery. @returns what is to be done with it. */
  recognise(delivery: Delivery): 'new' | 'in-progress' | 'finished' {
    const key = keyOf(delivery);
    if (key === undefined || !delivery.isRedelivered) return 'new';
    if (this.finishedInVain.delete(key)) return 'finished';
    const twin = this.held.get(key);
    if (twin === undefined || twin.delivery.generation === delivery.generation) return 'new';
    twin.delivery = delivery;
    return 'in-progress';
  }

  hold(held: Held): void {
    const key = keyOf(held.delivery);
    if (key !== undefined) this.held.set(key, held);
  }

  letGo(held: Held): void {
    const key = keyOf(held.delivery);
    if (key !== undefined && this.held.get(key) === held) this.held.delete(key);
  }

  /** Its work is done, but the right to say so was lost: it will come again. */
  finishedTooLate(delivery: Delivery): void {
    const key = keyOf(delivery);
    if (key === undefined) return;
    this.finishedInVain.add(key);
    if (this.finishedInVain.size <= MAX_REMEMBERED) return;
    for (const oldest of this.finishedInVain) {
      this.finishedInVain.delete(oldest);
      return;
    }
  }
}

/** The same event on the same try is the same delivery. A message without an id cannot be recognised. */
const keyOf = (delivery: Delivery): string | undefined => (delivery.id === undefined ? undefined : `${delivery.id}:${attemptOf(delivery)}`);
