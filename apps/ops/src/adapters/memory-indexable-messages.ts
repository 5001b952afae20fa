import type { MessageId } from '#lib/contracts/ids';
import { IndexableMessagesPort, type MessageState } from '../consistency/indexable-messages.port.js';

/** Messages and ledger in a map, for tests; a read may trigger a concurrent change. */
export class MemoryIndexableMessages extends IndexableMessagesPort {
  readonly states = new Map<MessageId, MessageState>();
  readonly ordered: MessageId[] = [];
  afterPage: (() => void) | undefined;

  async page(after: MessageId | undefined, limit: number, graceMs: number) {
    const old = [...this.states.values()].filter(({ changedAt }) => changedAt.getTime() <= Date.now() - graceMs);
    const page = old.sort((a, b) => (a.id < b.id ? -1 : 1)).filter(({ id }) => after === undefined || id > after);
    this.afterPage?.();
    return page.slice(0, limit);
  }

  async statesOf(ids: readonly MessageId[]) {
    return ids.flatMap((id) => this.states.get(id) ?? []);
  }

  async newestIndexedAt() {
    const times = [...this.states.values()].filter(({ entry }) => entry !== undefined).map(({ changedAt }) => changedAt.getTime());
    return times.length === 0 ? undefined : new Date(Math.max(...times));
  }

  async now() {
    return new Date();
  }

  async orderRebuild(ids: readonly MessageId[]) {
    this.ordered.push(...ids);
  }
}
