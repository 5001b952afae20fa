import type { ConversationId, UserId } from '#lib/contracts/ids';
import type { ConversationSignal, UserSignal } from '#lib/contracts/live';

/** What a process follows. */
export interface Topics {
  readonly conversations?: readonly ConversationId[];
  readonly users?: readonly UserId[];
}

/** Hears what was published for the followed topics. Its methods must not throw. */
export interface SignalListener {
  onConversation(conversationId: ConversationId, signals: readonly ConversationSignal[]): void;
  onUser(userId: UserId, signals: readonly UserSignal[]): void;
  /** The subscription is gone: from about now on signals are missed. */
  onLost(): void;
  /** Every topic is followed again. Whatever was published since shortly before onLost may have been missed. */
  onRestored(): void;
}

/** Follows conversations and users: the receiving side of FanOutPort. */
export abstract class SubscriptionPort {
  /** Whether signals arrive. False before the first connection, while it is lost, and until every topic is followed again. */
  abstract readonly isLive: boolean;

  /** The one listener of this process; to be set before anything is followed. */
  abstract listen(listener: SignalListener): void;

  /**
   * Settles when what is published from now on arrives; at once while the subscription is lost: the topics are then followed when it is restored.
   * Following a topic twice is fine. Never rejects.
   */
  abstract follow(topics: Topics): Promise<void>;

  /** Settles nothing: a few more signals may arrive. */
  abstract unfollow(topics: Topics): void;
}
