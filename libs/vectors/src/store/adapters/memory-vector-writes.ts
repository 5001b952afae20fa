import { type MessageId, newId } from '#lib/contracts/ids';
import { CHECKS_TO_SETTLE, type UnsettledWrite, VectorWritesPort } from '../vector-writes.port.js';

interface Held {
  write: UnsettledWrite;
  readonly begunAt: number;
  checkedAt: number;
}

/** The intent log in this process' memory: for the memory vector store, which does not outlive the process either. */
export class MemoryVectorWrites extends VectorWritesPort {
  private readonly held = new Map<string, Held>();

  async begin(messageIds: readonly MessageId[]): Promise<string> {
    const id = newId();
    this.held.set(id, { write: { id, messageIds: [...messageIds], checks: 0 }, begunAt: Date.now(), checkedAt: 0 });
    return id;
  }

  async end(id: string): Promise<void> {
    this.held.delete(id);
  }

  async unsettled(graceMs: number, pauseMs: number, limit: number): Promise<UnsettledWrite[]> {
    const now = Date.now();
    return [...this.held.values()]
      .filter(({ begunAt, checkedAt }) => begunAt <= now - graceMs && checkedAt <= now - pauseMs)
      .slice(0, limit)
      .map(({ write }) => write);
  }

  async checked({ id, checks }: UnsettledWrite, isInStep: boolean): Promise<void> {
    const held = this.held.get(id);
    if (held === undefined || held.write.checks !== checks) return;
    if (isInStep && checks + 1 >= CHECKS_TO_SETTLE) this.held.delete(id);
    held.write = { ...held.write, checks: isInStep ? checks + 1 : 0 };
    held.checkedAt = Date.now();
  }
}
