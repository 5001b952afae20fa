import type { ConversationSignal, UserSignal } from '#lib/contracts/live';
import { type ConversationPost, FanOutPort, type UserPost } from '../fan-out.port.js';
import { type SignalListener, SubscriptionPort, type Topics } from '../subscription.port.js';

/** Fan-out inside one process; in tests its subscriptions stand for several. Signals arrive in a later turn, as from a network. */
export class MemoryFanOut extends FanOutPort {
  private readonly subscriptions = new Set<MemorySubscription>();

  async publish(posts: readonly (ConversationPost | UserPost)[]): Promise<void> {
    setImmediate(() => {
      for (const post of posts) for (const subscription of this.subscriptions) subscription.take(post);
    });
  }

  /** @param isComplete false where other processes publish what cannot arrive here: the subscription is never live then. */
  subscribe({ isComplete = true }: { readonly isComplete?: boolean } = {}): MemorySubscription {
    const subscription = new MemorySubscription(isComplete);
    this.subscriptions.add(subscription);
    return subscription;
  }
}

/** A follower in the same process; made by {@link MemoryFanOut.subscribe}. */
export class MemorySubscription extends SubscriptionPort {
  private readonly conversations = new Set<string>();
  private readonly users = new Set<string>();
  private listener: SignalListener | undefined;
  private isLost = false;

  constructor(private readonly isComplete: boolean) {
    super();
  }

  get isLive(): boolean {
    return this.isComplete && !this.isLost;
  }

  listen(listener: SignalListener): void {
    this.listener = listener;
  }

  async follow({ conversations = [], users = [] }: Topics): Promise<void> {
    for (const id of conversations) this.conversations.add(id);
    for (const id of users) this.users.add(id);
  }

  unfollow({ conversations = [], users = [] }: Topics): void {
    for (const id of conversations) this.conversations.delete(id);
    for (const id of users) this.users.delete(id);
  }

  /** For tests: from now on it misses everything. */
  lose(): void {
    this.isLost = true;
    this.listener?.onLost();
  }

  /** For tests: from now on it hears everything again. */
  restore(): void {
    this.isLost = false;
    this.listener?.onRestored();
  }

  /** Passes on what is followed. */
  take(post: ConversationPost | UserPost): void {
    if (this.isLost) return;
    if ('conversationId' in post) this.takeOfConversation(post.conversationId, post.signals);
    else this.takeOfUser(post.userId, post.signals);
  }

  private takeOfConversation(id: string, signals: readonly ConversationSignal[]): void {
    if (this.conversations.has(id)) this.listener?.onConversation(id, signals);
  }

  private takeOfUser(id: string, signals: readonly UserSignal[]): void {
    if (this.users.has(id)) this.listener?.onUser(id, signals);
  }
}
