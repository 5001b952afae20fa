/** ok = works; degraded = works with a part missing; down = does not work. */
export type HealthStatus = 'ok' | 'degraded' | 'down';

/** A breaker to a dependency: its worst operation. */
export interface BreakerGlance {
  readonly state: 'closed' | 'half-open' | 'open';
  readonly since: Date;
}

/** A check that turned out otherwise than before. */
export interface HealthChange {
  readonly check: string;
  /** undefined = it is the first look. */
  readonly from: HealthStatus | undefined;
  readonly to: HealthStatus;
  readonly detail?: string | undefined;
}

interface Known {
  readonly status: HealthStatus;
  readonly at: Date;
  /** When it was last seen to be so. */
  seenAt: Date;
}

/** Since when each check is what it is. `onChange` is called once for each change, except that a first look finds something ok. */
export class Transitions {
  private readonly known = new Map<string, Known>();

  constructor(private readonly onChange: (change: HealthChange) => void) {}

  /** @returns since when the check is what it is. */
  note({ check, to, detail }: Omit<HealthChange, 'from'>, breaker: BreakerGlance | undefined): Date {
    const known = this.known.get(check);
    const now = new Date();
    if (known?.status === to) {
      known.seenAt = now;
      return known.at;
    }
    // Calls may have met it before this look did.
    const noticed = to !== 'ok' && breaker !== undefined && breaker.state !== 'closed' && breaker.since > (known?.seenAt ?? now);
    const at = noticed ? breaker.since : now;
    this.known.set(check, { status: to, at, seenAt: now });
    if (known !== undefined || to !== 'ok') this.onChange({ check, from: known?.status, to, detail });
    return at;
  }
}
