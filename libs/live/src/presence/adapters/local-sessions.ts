import type { UserId } from '#lib/contracts/ids';

/**
 * The sessions of one process. A user whose last session ended is absent for a moment before it counts as gone: most come back, with another
 * socket.
 *
 *     unknown ── enter ──▶ here ── last leave ──▶ absent ── lingerMs ──▶ unknown (onGone)
 *                           ▲                        │
 *                           └──────── enter ─────────┘
 */
export class LocalSessions {
  private readonly sessions = new Map<UserId, Set<string>>();
  /** Who is absent, and since when (`performance.now()`); the longest first. */
  private readonly absent = new Map<UserId, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly lingerMs: number,
    private readonly onGone: (users: readonly UserId[]) => void,
  ) {}

  /** Users that are here or absent. */
  get users(): Iterable<UserId> {
    return this.sessions.keys();
  }

  /** Open sessions: 0 of a user that is absent, undefined of one that is unknown. */
  countOf(userId: UserId): number | undefined {
    return this.sessions.get(userId)?.size;
  }

  enter(userId: UserId, sessionId: string): void {
    this.absent.delete(userId);
    const sessions = this.sessions.get(userId);
    if (sessions === undefined) this.sessions.set(userId, new Set([sessionId]));
    else sessions.add(sessionId);
  }

  /** @returns whether that was the last session of the user. */
  leave(userId: UserId, sessionId: string): boolean {
    const sessions = this.sessions.get(userId);
    if (sessions?.delete(sessionId) !== true || sessions.size > 0) return false;
    this.absent.set(userId, performance.now());
    this.timer ??= setTimeout(() => this.forgetAbsent(), this.lingerMs);
    return true;
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private forgetAbsent(): void {
    const now = performance.now();
    const gone: UserId[] = [];
    this.timer = undefined;
    for (const [userId, since] of this.absent) {
      const leftMs = since + this.lingerMs - now;
      if (leftMs > 1) {
        this.timer = setTimeout(() => this.forgetAbsent(), leftMs);
        break;
      }
      this.absent.delete(userId);
      this.sessions.delete(userId);
      gone.push(userId);
    }
    if (gone.length > 0) this.onGone(gone);
  }
}
