import type { ConversationSignal, UserSignal } from '#lib/contracts/live';

/** A listener of a subscription that writes down what it hears. */
export class Heard {
  readonly conversations = new Map<string, ConversationSignal[]>();
  readonly users = new Map<string, UserSignal[]>();
  lostCount = 0;
  restoredCount = 0;

  ofConversation(conversationId: string): readonly ConversationSignal[] {
    return this.conversations.get(conversationId) ?? [];
  }

  ofUser(userId: string): readonly UserSignal[] {
    return this.users.get(userId) ?? [];
  }

  onConversation(conversationId: string, signals: readonly ConversationSignal[]): void {
    this.conversations.set(conversationId, [...this.ofConversation(conversationId), ...signals]);
  }

  onUser(userId: string, signals: readonly UserSignal[]): void {
    this.users.set(userId, [...this.ofUser(userId), ...signals]);
  }

  onLost(): void {
    this.lostCount += 1;
  }

  onRestored(): void {
    this.restoredCount += 1;
  }
}
