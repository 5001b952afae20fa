import { describe, expect, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated } from '#lib/testing/builders';
import { MemoryOutbox } from './adapters/memory-outbox.js';
import { ParkedEvents } from './parked-events.js';

describe('parked events', () => {
  it('are shown with their reason, and tried again on order, which leaves an audit line', async () => {
    const outbox = new MemoryOutbox();
    const lines: Record<string, unknown>[] = [];
    const logger = createLogger('test', 'info', { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
    const events = [1, 2, 3].map((seq) => aMessageCreated({ seq }));
    for (const event of events) outbox.add(event, {});
    const [first, second] = events;
    await outbox.park(first?.eventId ?? '', 'returned: NO_ROUTE');
    await outbox.park(second?.eventId ?? '', 'invalid: ZodError');
    const parked = new ParkedEvents(outbox, logger);

    expect(await parked.status()).toMatchObject({
      pending: 1,
      parked: 2,
      items: [
        { eventId: first?.eventId, type: 'message.created', reason: 'returned: NO_ROUTE', parkedAt: expect.stringMatching(/Z$/) },
        { eventId: second?.eventId, reason: 'invalid: ZodError' },
      ],
    });
    expect(await parked.unpark({ ids: [second?.eventId ?? ''] }, 'alice')).toEqual({ unparked: 1 });
    expect(await parked.unpark({ all: true }, 'bob')).toEqual({ unparked: 1 });
    expect(await parked.status()).toMatchObject({ pending: 3, parked: 0, items: [] });
    expect(lines).toMatchObject([
      { audit: 'outbox.unpark', by: 'alice', ids: [second?.eventId], unparked: 1 },
      { audit: 'outbox.unpark', by: 'bob', all: true, unparked: 1 },
    ]);
  });
});
