/** One warning per kind in this time, in milliseconds: enough to see it, and a flood of refusals does not become one of warnings. */
const QUIET_MS = 1_000;
const MAX_KINDS = 1_000;

/** Decides which refusals with 503 are warnings: the first of each kind, and then one per second with how many there were in between. */
export class RefusalLog {
  private readonly kinds = new Map<string, { warnedAt: number; unwarned: number }>();

  /** @param kind route and problem code; both from closed sets. @returns how many were not warned of since the last warning; undefined = be quiet. */
  warn(kind: string, now = performance.now()): { readonly alsoRefused: number } | undefined {
    const known = this.kinds.get(kind);
    if (known !== undefined && now - known.warnedAt < QUIET_MS) {
      known.unwarned += 1;
      return undefined;
    }
    if (known === undefined && this.kinds.size >= MAX_KINDS) return undefined;
    this.kinds.set(kind, { warnedAt: now, unwarned: 0 });
    return { alsoRefused: known?.unwarned ?? 0 };
  }
}
