import type { UserId } from '#lib/contracts/ids';

/** One push in so long is a dead letter of a user whose devices the provider refuses: a token of another app must not fill the dead-letter queue. */
const TOLD_FOR_MS = 600_000;
/** Users that are remembered; of those beyond, the oldest are forgotten. */
const REMEMBERED = 10_000;

/** For which event of a user this process told lately that the provider refuses its push. */
export class ToldRefusals {
  private readonly told = new Map<UserId, { readonly eventId: string; readonly until: number }>();

  /** Whether this event is the one to fail: the first of its user, in all its attempts. */
  isToBeTold(userId: UserId, eventId: string): boolean {
    const last = this.told.get(userId);
    if (last !== undefined && performance.now() < last.until) return last.eventId === eventId;
    this.told.delete(userId);
    this.told.set(userId, { eventId, until: performance.now() + TOLD_FOR_MS });
    const [oldest] = this.told.keys();
    if (oldest !== undefined && this.told.size > REMEMBERED) this.told.delete(oldest);
    return true;
  }
}
