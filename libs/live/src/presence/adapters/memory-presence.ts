import type { UserId } from '#lib/contracts/ids';
import { ABSENT_MS, type Presence, type PresenceChange, PresencePort } from '../presence.port.js';
import { LocalSessions } from './local-sessions.js';

/** Users whose last session is remembered, those that left last. */
const REMEMBERED = 100_000;

/** Presence inside one process: it knows the sessions of this one only. */
export class MemoryPresence extends PresencePort {
  private readonly sessions = new LocalSessions(ABSENT_MS, (users) => this.announce(users, false));
  private readonly lastSeen = new Map<UserId, Date>();
  private announced: PresenceChange[] = [];
  private listener: (changes: readonly PresenceChange[]) => void = () => undefined;

  async enter(userId: UserId, sessionId: string): Promise<number> {
    const isNew = this.sessions.countOf(userId) === undefined;
    this.sessions.enter(userId, sessionId);
    if (isNew) this.announce([userId], true);
    return this.sessions.countOf(userId) ?? 1;
  }

  async leave(userId: UserId, sessionId: string): Promise<void> {
    if (!this.sessions.leave(userId, sessionId)) return;
    this.lastSeen.delete(userId);
    this.lastSeen.set(userId, new Date());
    if (this.lastSeen.size <= REMEMBERED) return;
    for (const oldest of this.lastSeen.keys()) {
      this.lastSeen.delete(oldest);
      return;
    }
  }

  async of(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, Presence>> {
    return new Map(
      userIds.map((userId) => [
        userId,
        { online: this.sessions.countOf(userId) !== undefined, lastSeenAt: this.lastSeen.get(userId) ?? null },
      ]),
    );
  }

  async forget(userId: UserId): Promise<boolean> {
    return this.lastSeen.delete(userId);
  }

  onChange(listener: (changes: readonly PresenceChange[]) => void): void {
    this.listener = listener;
  }

  stop(): void {
    this.sessions.stop();
  }

  /** In a later turn, with all others of this one. */
  private announce(users: readonly UserId[], online: boolean): void {
    if (this.announced.length === 0) setImmediate(() => this.listener(this.announced.splice(0)));
    for (const userId of users) this.announced.push({ userId, online });
  }
}
