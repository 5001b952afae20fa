import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import type { OutboxPort } from './outbox.port.js';

/** An empty outbox, and how what is being announced is written into it. */
export interface OutboxSetup {
  readonly outbox: OutboxPort;
  readonly write: (event: ParleyEvent, headers: EventHeaders) => Promise<void>;
  readonly close?: () => Promise<void>;
}

const anyAge = { limit: 10, olderThanMs: 0, leaseMs: 60_000 };

/** What every outbox promises. */
export const outboxContract = (make: () => Promise<OutboxSetup>): void => {
  describe('an outbox', () => {
    let setup: OutboxSetup;
    let outbox: OutboxPort;
    beforeEach(async () => {
      setup = await make();
      ({ outbox } = setup);
    });
    afterEach(async () => setup.close?.());

    const written = async (count: number): Promise<ParleyEvent[]> => {
      const events = Array.from({ length: count }, (_, i) => aMessageCreated({ seq: i + 1 }));
      for (const event of events) await setup.write(event, {});
      return events;
    };

    it('gives back events and headers as they were written, oldest first', async () => {
      const event = aMessageCreated({ content: 'Xin chào 👋 "quoted" \\ and\nlines' });
      await setup.write(event, { requestId: 'request-1', traceparent: '00-1-2-01' });
      const later = await written(2);
      expect(await outbox.lease(anyAge)).toEqual([
        { event, headers: { requestId: 'request-1', traceparent: '00-1-2-01' }, attempts: 0 },
        ...later.map((event) => ({ event, headers: {}, attempts: 0 })),
      ]);
    });

    it('leases no more than asked for, and no entry twice', async () => {
      await written(5);
      const first = await outbox.lease({ ...anyAge, limit: 3 });
      const second = await outbox.lease({ ...anyAge, limit: 3 });
      expect([first.length, second.length]).toEqual([3, 2]);
      expect(new Set([...first, ...second].map(({ event }) => event.eventId)).size).toBe(5);
    });

    it('never gives an entry to two that lease at the same time', async () => {
      await written(40);
      const leases = await Promise.all([1, 2, 3, 4].map(() => outbox.lease({ ...anyAge, limit: 10 })));
      const ids = leases.flat().map(({ event }) => event.eventId);
      expect(new Set(ids).size).toBe(ids.length);
    });

    it('leaves young entries to the process that wrote them', async () => {
      await written(1);
      expect(await outbox.lease({ ...anyAge, olderThanMs: 60_000 })).toEqual([]);
    });

    it('gives an entry again when its lease has run out', async () => {
      const [event] = await written(1);
      await outbox.lease({ ...anyAge, leaseMs: 50 });
      const again = await eventually(async () => {
        const entries = await outbox.lease(anyAge);
        expect(entries).toHaveLength(1);
        return entries;
      });
      expect(again[0]?.event).toEqual(event);
    });

    it('forgets what was confirmed, and does not mind ids it does not know', async () => {
      const [first, second] = await written(2);
      await outbox.remove([first?.eventId ?? '', aMessageCreated().eventId]);
      await outbox.remove([]);
      expect((await outbox.lease(anyAge)).map(({ event }) => event)).toEqual([second]);
    });

    it('counts a failed try and makes the entry due later', async () => {
      const [event] = await written(1);
      await outbox.lease(anyAge);
      await outbox.retryLater([event?.eventId ?? ''], 50, 'nacked: a queue is full');
      expect(await outbox.lease(anyAge)).toEqual([]);
      await eventually(async () => expect(await outbox.lease(anyAge)).toEqual([{ event, headers: {}, attempts: 1 }]));
    });

    it('sets a parked entry aside for good', async () => {
      const [event] = await written(2);
      await outbox.park(event?.eventId ?? '', 'returned: no queue');
      expect((await outbox.lease(anyAge)).map(({ event }) => event.eventId)).not.toContain(event?.eventId);
      expect(await outbox.depth()).toMatchObject({ pending: 1, parked: 1 });
    });

    it('lists what is parked with its reason, and makes it due again with all its tries', async () => {
      const [returned, invalid, waiting] = await written(3);
      await outbox.park(returned?.eventId ?? '', 'returned: NO_ROUTE');
      await outbox.park(invalid?.eventId ?? '', 'invalid: ZodError');
      expect(await outbox.parked(10)).toMatchObject([
        {
          eventId: returned?.eventId,
          type: 'message.created',
          conversationId: returned?.conversationId,
          attempts: 1,
          reason: 'returned: NO_ROUTE',
        },
        { eventId: invalid?.eventId, reason: 'invalid: ZodError' },
      ]);
      expect((await outbox.parked(1)).map(({ eventId }) => eventId)).toEqual([returned?.eventId]);

      expect(await outbox.unpark({ reason: 'returned:' }, 10)).toBe(1);
      expect(await outbox.unpark({ eventIds: [returned?.eventId ?? '', waiting?.eventId ?? ''] }, 10)).toBe(0);
      expect(await outbox.depth()).toMatchObject({ pending: 2, parked: 1 });
      expect(await outbox.unpark({ reason: '' }, 10)).toBe(1);
      const due = await outbox.lease(anyAge);
      expect(new Set(due.map(({ event, attempts }) => `${event.eventId} ${attempts}`))).toEqual(
        new Set([returned, invalid, waiting].map((event) => `${event?.eventId} 0`)),
      );
    });

    it('unparks no more than it is told to', async () => {
      for (const { eventId } of await written(3)) await outbox.park(eventId, 'returned: no queue');
      expect(await outbox.unpark({ reason: '' }, 2)).toBe(2);
      expect(await outbox.depth()).toMatchObject({ pending: 2, parked: 1 });
    });

    it('knows how much waits and for how long', async () => {
      expect(await outbox.depth()).toEqual({ pending: 0, parked: 0, oldestAgeSeconds: 0, isEstimate: false });
      await written(3);
      await eventually(async () => expect((await outbox.depth()).oldestAgeSeconds).toBeGreaterThan(0.02));
      expect(await outbox.depth()).toMatchObject({ pending: 3, parked: 0 });
    });
  });
};
