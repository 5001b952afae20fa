import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import { type OutboxDepth, type OutboxEntry, OutboxPort, type ParkedEntry, type ParkedSelection } from '../outbox.port.js';

interface Row {
  readonly event: ParleyEvent;
  readonly headers: EventHeaders;
  readonly createdAt: number;
  attempts: number;
  dueAt: number;
  parked?: { readonly reason: string; readonly at: Date };
}

/** An outbox that lives as long as its process: for the embedded mode, where what is announced dies with the process too. */
export class MemoryOutbox extends OutboxPort {
  private readonly rows = new Map<string, Row>();

  /** Writes an entry. Memory stores call it in the same tick in which they store what it announces: that is their commit. */
  add(event: ParleyEvent, headers: EventHeaders): void {
    const now = performance.now();
    this.rows.set(event.eventId, { event, headers, createdAt: now, attempts: 0, dueAt: now });
  }

  /** Events that are pending or parked, oldest first. */
  get events(): ParleyEvent[] {
    return [...this.rows.values()].map(({ event }) => event);
  }

  async lease({ limit, olderThanMs, leaseMs }: { limit: number; olderThanMs: number; leaseMs: number }): Promise<OutboxEntry[]> {
    const now = performance.now();
    const due = [...this.rows.values()]
      .filter((row) => row.parked === undefined && row.dueAt <= now && row.createdAt <= now - olderThanMs)
      .slice(0, limit);
    for (const row of due) row.dueAt = now + leaseMs;
    return due.map(({ event, headers, attempts }) => ({ event, headers, attempts }));
  }

  async remove(eventIds: readonly string[]): Promise<void> {
    for (const id of eventIds) this.rows.delete(id);
  }

  async retryLater(eventIds: readonly string[], delayMs: number, _reason: string): Promise<void> {
    for (const id of eventIds) {
      const row = this.rows.get(id);
      if (row === undefined) continue;
      row.attempts += 1;
      row.dueAt = performance.now() + delayMs;
    }
  }

  async park(eventId: string, reason: string): Promise<void> {
    const row = this.rows.get(eventId);
    if (row?.parked !== undefined || row === undefined) return;
    row.parked = { reason, at: new Date() };
    row.attempts += 1;
  }

  async parked(limit: number): Promise<ParkedEntry[]> {
    const entries = [...this.rows.values()].flatMap(({ event, attempts, createdAt, parked }) =>
      parked === undefined
        ? []
        : [
            {
              eventId: event.eventId,
              type: event.type,
              conversationId: event.conversationId,
              attempts,
              createdAt: new Date(Date.now() - (performance.now() - createdAt)),
              parkedAt: parked.at,
              reason: parked.reason,
            },
          ],
    );
    return entries.slice(0, limit);
  }

  async unpark(selection: ParkedSelection, limit: number): Promise<number> {
    const isMeant = ({ event, parked }: Row) =>
      parked !== undefined &&
      ('eventIds' in selection ? selection.eventIds.includes(event.eventId) : parked.reason.startsWith(selection.reason));
    const meant = [...this.rows.values()].filter(isMeant).slice(0, limit);
    for (const row of meant) {
      delete row.parked;
      row.attempts = 0;
      row.dueAt = performance.now();
    }
    return meant.length;
  }

  async depth(): Promise<OutboxDepth> {
    const pending = [...this.rows.values()].filter((row) => row.parked === undefined);
    const oldestAt = pending[0]?.createdAt;
    const oldestAgeSeconds = oldestAt === undefined ? 0 : (performance.now() - oldestAt) / 1_000;
    return { pending: pending.length, parked: this.rows.size - pending.length, oldestAgeSeconds, isEstimate: false };
  }

  async latestDepth(): Promise<OutboxDepth> {
    return this.depth();
  }
}
