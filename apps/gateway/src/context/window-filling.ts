import type { UserId } from '#lib/contracts/ids';
import type { Message } from '#lib/conversations/message';
import type { TokenCounterPort } from './token-counter.port.js';

/** Tokens of a message beside its text: its sender and the delimiters. OpenAI's chat format takes 3 to 4. */
const TOKENS_PER_MESSAGE = 4;

/** One message of the window and the reason why it is in it. */
export interface ContextItem {
  readonly message: Message;
  readonly why: 'recent' | 'semantic';
}

/**
 * Spends the token budget of one context window, in this order:
 *
 * 1. the newest message, unless it is longer than the whole budget;
 * 2. the messages before it, newest first and without a hole, up to the share of the recent part;
 * 3. what fits the query, best first, leaving out what is too long: as long as there is budget, the unused rest of the recent part included;
 * 4. the recent part again, from where it stopped, with what is left.
 *
 * Counts while it spends: about the budget in tokens, plus one message per part, plus once more the budget for messages that turn out too long.
 */
export class WindowFilling {
  private readonly chosen = new Map<number, ContextItem>();
  private left: number;
  /** Tokens that were counted for messages that did not fit. */
  private wasted = 0;

  constructor(
    private readonly counter: TokenCounterPort,
    private readonly reader: UserId,
    private readonly maxTokens: number,
  ) {
    this.left = maxTokens;
  }

  /** `recent` newest first, `relevant` best first; a message may be in both. @returns the items ascending by `seq`, and their tokens. */
  async fill(recent: readonly Message[], relevant: readonly Message[], recentShare: number) {
    const older = await this.takeNewest(recent);
    const rest = await this.takeInARow(older, Math.floor(this.maxTokens * recentShare) - (this.maxTokens - this.left));
    await this.takeWhatFits(relevant);
    await this.takeInARow(rest, this.left);
    const items = [...this.chosen.values()].sort((one, other) => one.message.seq - other.message.seq);
    return { items, tokens: this.maxTokens - this.left };
  }

  /** @returns the messages before it. */
  private async takeNewest([newest, ...older]: readonly Message[]): Promise<readonly Message[]> {
    if (newest === undefined) return [];
    const [tokens = 0] = await this.counter.count([newest], this.left, this.reader);
    this.choose(newest, tokens + TOKENS_PER_MESSAGE, 'recent');
    return older;
  }

  /** Takes messages up to the first for which there is no room within `budget`. @returns what is left of them, that one first. */
  private async takeInARow(messages: readonly Message[], budget: number): Promise<readonly Message[]> {
    const floor = this.left - budget;
    for (let next = 0; next < messages.length; ) {
      if (this.left <= floor) return messages.slice(next);
      const counts = await this.counter.count(messages.slice(next), this.left - floor, this.reader);
      for (const tokens of counts) {
        const message = messages[next];
        const cost = tokens + TOKENS_PER_MESSAGE;
        if (message === undefined || (this.left - cost < floor && !this.chosen.has(message.seq))) return messages.slice(next);
        this.choose(message, cost, 'recent');
        next += 1;
      }
    }
    return [];
  }

  private async takeWhatFits(messages: readonly Message[]): Promise<void> {
    for (let next = 0; next < messages.length && this.left > 0 && this.wasted <= this.maxTokens; ) {
      const counts = await this.counter.count(messages.slice(next), this.left, this.reader);
      for (const tokens of counts) {
        const message = messages[next];
        if (message !== undefined) this.choose(message, tokens + TOKENS_PER_MESSAGE, 'semantic');
        next += 1;
      }
    }
  }

  private choose(message: Message, cost: number, why: ContextItem['why']): void {
    if (this.chosen.has(message.seq)) return;
    if (cost > this.left) {
      this.wasted += cost;
      return;
    }
    this.left -= cost;
    this.chosen.set(message.seq, { message, why });
  }
}
