import type { ConversationId, UserId } from '#lib/contracts/ids';
import type { FanOutPort } from '#lib/live/fan-out/fan-out.port';

/** A user's typing is told once in this time, in each conversation; clients show it for a little longer. */
const EVERY_MS = 2_000;
/** Entries beyond which those that are over are dropped; only users that are typing right now have one. */
const MAX_ENTRIES = 10_000;

/** Tells the members of a conversation that one of them is typing. Best effort: what cannot be sent is not worth sending later. */
export class TypingSignals {
  private readonly lastAt = new Map<string, number>();

  constructor(private readonly fanOut: FanOutPort) {}

  /** Sends one, or nothing when the last one was less than 2 s ago. */
  send(conversationId: ConversationId, userId: UserId): void {
    const key = `${conversationId} ${userId}`;
    const now = performance.now();
    const last = this.lastAt.get(key);
    if (last !== undefined && now - last < EVERY_MS) return;
    this.lastAt.delete(key); // the newest stand last
    if (this.lastAt.size >= MAX_ENTRIES) this.dropOld(now);
    this.lastAt.set(key, now);
    this.fanOut.publish([{ conversationId, signals: [{ type: 'typing', userId }] }]).catch(() => undefined);
  }

  private dropOld(now: number): void {
    for (const [key, at] of this.lastAt) {
      if (now - at < EVERY_MS && this.lastAt.size < MAX_ENTRIES) return;
      this.lastAt.delete(key);
    }
  }
}
