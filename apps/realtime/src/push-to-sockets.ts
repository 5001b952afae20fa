import type { ConversationId, UserId } from '#lib/contracts/ids';
import type { ConversationSignal, UserSignal } from '#lib/contracts/live';
import type { SignalListener } from '#lib/live/fan-out/subscription.port';
import type { OutgoingFrame } from './session/live-session.js';
import type { FollowedConversations } from './live/followed-conversations.js';
import type { HeadsWatch } from './live/heads-watch.js';
import type { LiveConversations } from './live/live-conversations.js';
import { recordDelivery } from './live/record-delivery.js';

/**
 * Brings what the delivery service has published to the sockets of this process. Order, gaps and members are the conversation's business
 * (live/followed-conversation.ts); what never arrived is found by the watch (live/heads-watch.ts).
 */
export class PushToSockets implements SignalListener {
  constructor(
    private readonly conversations: FollowedConversations,
    private readonly live: LiveConversations,
    private readonly watch: HeadsWatch,
  ) {}

  onConversation(conversationId: ConversationId, signals: readonly ConversationSignal[]): void {
    for (const signal of signals) this.conversations.get(conversationId)?.hear(signal);
  }

  onUser(userId: UserId, signals: readonly UserSignal[]): void {
    for (const signal of signals) {
      if (signal.type === 'joined') this.live.joined(userId, signal.conversationId, signal.headSeq);
      else this.send(userId, { type: signal.name, bytes: Buffer.from(signal.frame) }, signal.trace);
    }
  }

  onLost(): void {
    this.watch.compareNow();
  }

  onRestored(): void {
    this.watch.compareNow();
  }

  private send(userId: UserId, frame: OutgoingFrame, trace: string | undefined): void {
    const startedAt = performance.now();
    let sockets = 0;
    for (const session of this.live.sessionsOf(userId)) {
      session.send(frame);
      sockets += 1;
    }
    if (trace !== undefined) recordDelivery(frame.type, trace, { startedAt, sockets });
  }
}
