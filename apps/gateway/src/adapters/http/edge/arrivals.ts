import type { EdgeLimits } from './edge-limits.js';

interface Arrival {
  readonly since: number;
  readonly giveUp: () => void;
}

/**
 * The requests whose body is still arriving, by remote address. Beyond its limit the one that has been at it longest makes way: clients that are
 * just sending are done within milliseconds, so that a slow one costs no other client of its address (or of its load balancer) its request.
 */
export class Arrivals {
  private readonly byAddress = new Map<string, Set<Arrival>>();

  constructor(private readonly limits: Pick<EdgeLimits, 'receivingPerAddress' | 'receivingPatienceMs'>) {}

  /** A body begins to arrive. `giveUp` is called at most once, when it has to make way. @returns to be called when it has arrived or is given up. */
  begin(address: string, giveUp: () => void): () => void {
    const arrivals = this.byAddress.get(address) ?? new Set();
    this.byAddress.set(address, arrivals);
    const arrival: Arrival = { since: performance.now(), giveUp };
    arrivals.add(arrival);
    this.makeWay(arrivals);
    return () => {
      arrivals.delete(arrival);
      if (arrivals.size === 0) this.byAddress.delete(address);
    };
  }

  private makeWay(arrivals: Set<Arrival>): void {
    const { receivingPerAddress, receivingPatienceMs } = this.limits;
    if (receivingPerAddress === 0 || arrivals.size <= receivingPerAddress) return;
    const [oldest] = arrivals;
    if (oldest !== undefined && performance.now() - oldest.since > receivingPatienceMs) oldest.giveUp();
  }
}
