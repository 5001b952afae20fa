import type { ScrapeRound } from '../scrape/scrape.port.js';

/** Whether a target answers, and since when; milliseconds since 1970. */
export interface TargetState {
  readonly service: string;
  readonly ready: boolean;
  readonly since: number;
}

/**
 *     not seen -> ready <-> silent -> forgotten
 *
 * A target is forgotten when it has been neither asked nor heard for {@link FORGOTTEN_MS}: an orchestrator has taken it away.
 */
export class TargetStates {
  private readonly byTarget = new Map<string, TargetState & { readonly askedAt: number }>();

  /** @param round the newest. */
  note({ at, processes, failed }: ScrapeRound): void {
    for (const { target, service } of processes) this.set(target, { service, ready: true, at });
    for (const { target } of failed) this.set(target, { service: this.byTarget.get(target)?.service ?? 'unknown', ready: false, at });
    const asked = new Set([...processes, ...failed].map(({ target }) => target));
    for (const [target, { service, askedAt }] of this.byTarget) {
      if (asked.has(target)) continue;
      if (at - askedAt >= FORGOTTEN_MS) this.byTarget.delete(target);
      else this.set(target, { service, ready: false, at, askedAt });
    }
  }

  /** By service and address. */
  all(): (TargetState & { readonly target: string })[] {
    return [...this.byTarget]
      .map(([target, { service, ready, since }]) => ({ target, service, ready, since }))
      .toSorted((one, other) => one.service.localeCompare(other.service) || one.target.localeCompare(other.target));
  }

  private set(
    target: string,
    { service, ready, at, askedAt = at }: { service: string; ready: boolean; at: number; askedAt?: number },
  ): void {
    const before = this.byTarget.get(target);
    this.byTarget.set(target, { service, ready, since: before?.ready === ready ? before.since : at, askedAt });
  }
}

/** As long as a rollout shows what it has replaced. */
const FORGOTTEN_MS = 120_000;
