import type { ConversationId, UserId } from '#lib/contracts/ids';
import type { ConversationSignal, UserSignal } from '#lib/contracts/live';

/** Signals for the sockets of one conversation's members, in this order. */
export interface ConversationPost {
  readonly conversationId: ConversationId;
  readonly signals: readonly ConversationSignal[];
}

/** Signals for the sockets of one user, in this order. */
export interface UserPost {
  readonly userId: UserId;
  readonly signals: readonly UserSignal[];
}

/**
 * Takes signals to the processes that follow a conversation or a user, and to no other (ruling C14). Who follows gets them at most once per post;
 * who was not connected misses them.
 */
export abstract class FanOutPort {
  /** Settles when the signals are on their way to all that follow. @throws DependencyError; posting again is harmless. */
  abstract publish(posts: readonly (ConversationPost | UserPost)[]): Promise<void>;
}
