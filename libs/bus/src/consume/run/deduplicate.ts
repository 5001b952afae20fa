import type { InboxPort } from './inbox.port.js';
import type { Layer } from './layer.js';

/**
 * Passes on events that the inbox has not seen, and stores their ids once they are handled and their results published. Stored last: a crash
 * in between repeats the handler, while storing first would lose the effect.
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
