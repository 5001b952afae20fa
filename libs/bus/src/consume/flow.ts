import type { PauseState } from './pause.js';

/** What decides whether a consumer takes more deliveries. */
export interface FlowFacts {
  readonly state: PauseState;
  /** Whether an open breaker caused the pause, rather than one failed run. */
  readonly isBreakerOpen: boolean;
  readonly isConsuming: boolean;
  readonly inFlightCount: number;
  readonly bufferedCount: number;
  /** Whether an outage has ended a run of every delivery in the buffer; asked only while probing. */
  readonly isEveryBufferedHeld: () => boolean;
  /** Events in flight at once when nothing is wrong. */
  readonly capacity: number;
}

/** Whether the delivery source should deliver now. */
export const wantsDeliveries = ({ state, isBreakerOpen, isConsuming, capacity, ...held }: FlowFacts): boolean => {
  switch (state) {
    case 'running':
      return true;
    case 'paused':
      // One failed run proves no outage: other events must arrive to show that only one fails.
      return isConsuming && !isBreakerOpen;
    case 'probing':
      // Probes use what is held. When every held event failed, one of them may be what breaks the dependency: fetch others.
      return isConsuming || (held.inFlightCount === 0 && held.isEveryBufferedHeld());
    case 'ramp':
      // The broker counts the prefetch from zero after each `consume`: the buffer must shrink first.
      return isConsuming || held.bufferedCount < capacity;
  }
};
