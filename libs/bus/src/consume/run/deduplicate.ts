import type { InboxPort } from './inbox.port.js';
import type { Layer } from './layer.js';

/**
 * Lets through what the inbox has not seen, and notes it once it is handled and what follows from it is published. Noted last: a crash in
 * between makes the handler run again, while noting first would make the effect disappear.
 */
export const deduplicate =
  (inbox: InboxPort, queue: string): Layer =>
  (next) =>
  async (items) => {
    const unseen = await inbox.unseen(
      queue,
      items.map(({ event }) => event.eventId),
    );
    // `delete` also catches the same event twice in one batch.
    const fresh = items.filter(({ event }) => unseen.delete(event.eventId));
    if (fresh.length === 0) return [];
    const events = await next(fresh);
    await inbox.remember(
      queue,
      fresh.map(({ event }) => event.eventId),
    );
    return events;
  };
