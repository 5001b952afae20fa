import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type EventHeaders, PublisherPort, type PublishOutcome } from '#lib/bus/publish/publisher.port';
import type { ParleyEvent } from '#lib/contracts/events';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import { MemoryOutbox } from './adapters/memory-outbox.js';
import type { OutboxDepth } from './outbox.port.js';
import { OutboxRelay } from './outbox-relay.js';

const logger = createLogger('relay-test', 'silent');

/** Answers each publish as `answer` says, in its own time. */
class ScriptedPublisher extends PublisherPort {
  isHealthy = true;
  readonly published: { readonly event: ParleyEvent; readonly headers: EventHeaders | undefined }[] = [];
  inFlight = 0;
  mostInFlight = 0;
  declared: () => void = () => undefined;
  answer: (event: ParleyEvent) => PublishOutcome | Promise<PublishOutcome> = () => ({ kind: 'confirmed' });

  override onDeclared(listener: () => void): () => void {
    this.declared = listener;
    return () => undefined;
  }

  async publish(event: ParleyEvent, headers?: EventHeaders): Promise<PublishOutcome> {
    this.published.push({ event, headers });
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    try {
      await Promise.resolve();
      return await this.answer(event);
    } finally {
      this.inFlight -= 1;
    }
  }
}

const relays: OutboxRelay[] = [];
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop()));
});

const relaying = (options: { graceMs?: number; sweepMs?: number; outbox?: MemoryOutbox } = {}) => {
  const outbox = options.outbox ?? new MemoryOutbox();
  const publisher = new ScriptedPublisher();
  const relay = new OutboxRelay(outbox, publisher, { sweepMs: options.sweepMs ?? 10, graceMs: options.graceMs ?? 0 }, logger);
  relays.push(relay);
  const written = (count: number): ParleyEvent[] => {
    const events = Array.from({ length: count }, (_, i) => aMessageCreated({ seq: i + 1 }));
    for (const event of events) outbox.add(event, { requestId: 'request-1' });
    return events;
  };
  const left = () => outbox.events.map(({ eventId }) => eventId);
  return { outbox, publisher, relay, written, left };
};

const ids = (events: readonly ParleyEvent[]) => events.map(({ eventId }) => eventId);

describe('publishing soon', () => {
  it('publishes right after the commit and removes what is confirmed', async () => {
    const { relay, written, left, publisher } = relaying();
    const [event] = written(1) as [ParleyEvent];
    relay.publishSoon(event, { requestId: 'request-1', traceparent: '00-a-b-01' });
    await eventually(() => expect(left()).toEqual([]));
    expect(publisher.published).toEqual([{ event, headers: { requestId: 'request-1', traceparent: '00-a-b-01' } }]);
  });

  it.each([
    ['nacked', { kind: 'nacked', reason: 'a queue is full' }],
    ['ambiguous', { kind: 'ambiguous', reason: 'timeout' }],
    ['returned', { kind: 'returned', reason: 'no queue' }],
  ] as const)('leaves an event that was %s to the sweep', async (_kind, outcome) => {
    const { relay, written, left, publisher } = relaying();
    const [event] = written(1) as [ParleyEvent];
    publisher.answer = () => outcome;
    relay.publishSoon(event);
    await relay.stop();
    expect(publisher.published).toHaveLength(1);
    expect(left()).toEqual([event.eventId]);
  });

  it('removes together what is confirmed within a moment', async () => {
    const outbox = new MemoryOutbox();
    const removals: number[] = [];
    const remove = outbox.remove.bind(outbox);
    outbox.remove = async (ids) => {
      removals.push(ids.length);
      await remove(ids);
    };
    const { relay, written, left } = relaying({ outbox });
    for (const event of written(20)) {
      relay.publishSoon(event);
      await sleep(4); // as requests that come one after another; what is removed at once is removed twenty times
    }
    await eventually(() => expect(left()).toEqual([]));
    expect(removals.length).toBeLessThanOrEqual(8); // two or three on a quiet machine
  });

  it('does not try while the publisher is not healthy', async () => {
    const { relay, written, publisher } = relaying();
    publisher.isHealthy = false;
    for (const event of written(3)) relay.publishSoon(event);
    await relay.stop();
    expect(publisher.published).toEqual([]);
  });

  it('takes a bounded number at once and leaves the rest to the sweep', async () => {
    const { relay, written, publisher, left } = relaying();
    const { promise: released, resolve: release } = Promise.withResolvers<PublishOutcome>();
    publisher.answer = () => released;
    for (const event of written(3_000)) relay.publishSoon(event);
    await eventually(() => expect(publisher.inFlight).toBeGreaterThan(0));
    expect(publisher.inFlight).toBeLessThanOrEqual(1_024);
    release({ kind: 'confirmed' });
    const taken = publisher.published.length;
    await eventually(() => expect(left()).toHaveLength(3_000 - taken));
  });

  it('keeps confirmed ids until Postgres is back', async () => {
    const outbox = new MemoryOutbox();
    const remove = outbox.remove.bind(outbox);
    let failures = 2;
    outbox.remove = async (eventIds) => {
      failures -= 1;
      if (failures >= 0) throw new Error('postgres is out');
      await remove(eventIds);
    };
    const { relay, written, left } = relaying({ outbox });
    for (const event of written(5)) relay.publishSoon(event);
    await eventually(() => expect(left()).toEqual([]));
  });

  it('finishes what is in flight when it stops, and takes no more', async () => {
    const { relay, written, left, publisher } = relaying();
    const [first, second] = written(2) as [ParleyEvent, ParleyEvent];
    relay.publishSoon(first);
    await relay.stop();
    relay.publishSoon(second);
    expect(ids(publisher.published.map(({ event }) => event))).toEqual([first.eventId]);
    expect(left()).toEqual([second.eventId]);
  });

  it('stops in time when the broker does not answer', async () => {
    const { relay, written, publisher } = relaying();
    const { promise: answered, resolve: answer } = Promise.withResolvers<PublishOutcome>();
    publisher.answer = () => answered;
    for (const event of written(1)) relay.publishSoon(event);
    await relay.stop(50);
    expect(publisher.inFlight).toBe(1);
    answer({ kind: 'ambiguous', reason: 'too late' });
  });
});

describe('sweeping', () => {
  it('publishes what a crash left behind, with its headers', async () => {
    const { relay, written, left, publisher } = relaying();
    const events = written(700);
    expect((await relay.sweepOnce()).confirmedCount).toBe(500);
    expect((await relay.sweepOnce()).confirmedCount).toBe(200);
    expect(left()).toEqual([]);
    expect(new Set(publisher.published.map(({ event }) => event))).toEqual(new Set(events));
    expect(publisher.published[0]?.headers).toEqual({ requestId: 'request-1' });
    expect(publisher.mostInFlight).toBeLessThanOrEqual(128);
  });

  it('leaves entries to the fast path until they are older than the grace', async () => {
    const { relay, written, publisher } = relaying({ graceMs: 60_000 });
    written(3);
    expect((await relay.sweepOnce()).confirmedCount).toBe(0);
    expect(publisher.published).toEqual([]);
  });

  it('does nothing while the publisher is not healthy', async () => {
    const { relay, written, left, publisher } = relaying();
    const events = written(2);
    publisher.isHealthy = false;
    expect((await relay.sweepOnce()).confirmedCount).toBe(0);
    publisher.isHealthy = true;
    expect((await relay.sweepOnce()).confirmedCount).toBe(2);
    expect([left(), publisher.published.length]).toEqual([[], events.length]);
  });

  it('tries nacked and ambiguous entries again and lets nothing wait behind them', async () => {
    const { relay, written, left, publisher } = relaying();
    const [bad, ...good] = written(5) as [ParleyEvent, ...ParleyEvent[]];
    let failures = 3;
    publisher.answer = ({ eventId }) => {
      if (eventId !== bad.eventId || failures === 0) return { kind: 'confirmed' };
      failures -= 1;
      return { kind: failures === 1 ? 'nacked' : 'ambiguous', reason: 'a queue is full' };
    };
    expect((await relay.sweepOnce()).confirmedCount).toBe(good.length);
    expect(left()).toEqual([bad.eventId]);
    relay.start();
    await eventually(() => expect(left()).toEqual([]));
  });

  it('parks an entry that no queue takes, only after several tries, and tells why', async () => {
    const outbox = new MemoryOutbox();
    const parked: string[] = [];
    const park = outbox.park.bind(outbox);
    outbox.park = async (eventId, reason) => {
      parked.push(`${eventId} ${reason}`);
      await park(eventId, reason);
    };
    const retryLater = outbox.retryLater.bind(outbox);
    outbox.retryLater = (eventIds, _delayMs, reason) => retryLater(eventIds, 0, reason);
    const { relay, written, publisher } = relaying({ outbox });
    const [unroutable, malformed] = written(2) as [ParleyEvent, ParleyEvent];
    publisher.answer = ({ eventId }) => {
      if (eventId === malformed.eventId) throw new RangeError('the content is: secret');
      return { kind: 'returned', reason: 'NO_ROUTE' };
    };
    for (let tries = 1; tries < 8; tries += 1) await relay.sweepOnce();
    expect(parked).toEqual([]);
    await relay.sweepOnce();
    expect(new Set(parked)).toEqual(new Set([`${unroutable.eventId} returned: NO_ROUTE`, `${malformed.eventId} invalid: RangeError`]));
    expect(await outbox.depth()).toMatchObject({ pending: 0, parked: 2 });
    await relay.sweepOnce();
    expect(publisher.published).toHaveLength(16);
  });

  it('goes on at once after a full batch, also when some of it was refused', async () => {
    const { relay, written, left, publisher } = relaying({ sweepMs: 60_000 });
    const [bad] = written(1_200) as [ParleyEvent];
    publisher.answer = ({ eventId }) => (eventId === bad.eventId ? { kind: 'nacked', reason: 'full' } : { kind: 'confirmed' });
    relay.start();
    await eventually(() => expect(left()).toEqual([bad.eventId]));
  });

  it('sweeps on while the depth of the outbox cannot be measured', async () => {
    const outbox = new MemoryOutbox();
    const { promise: measured, resolve: measure } = Promise.withResolvers<OutboxDepth>();
    outbox.latestDepth = () => measured;
    const { relay, written, left } = relaying({ outbox });
    relay.start();
    written(3);
    await eventually(() => expect(left()).toEqual([]));
    expect(relay.depth).toBeUndefined();
    measure(await outbox.depth());
  });

  it('tries parked entries again when it starts, and what was returned when the queues were declared anew', async () => {
    const { relay, written, left, outbox, publisher } = relaying();
    const [old] = written(1) as [ParleyEvent];
    await outbox.park(old.eventId, 'invalid: TypeError');
    relay.start();
    await eventually(() => expect(left()).toEqual([]));

    const [unroutable, malformed] = written(2) as [ParleyEvent, ParleyEvent];
    await Promise.all([outbox.park(unroutable.eventId, 'returned: NO_ROUTE'), outbox.park(malformed.eventId, 'invalid: ZodError')]);
    publisher.declared();
    await eventually(() => expect(left()).toEqual([malformed.eventId]));
    expect(await outbox.depth()).toMatchObject({ parked: 1 });
  });

  it('tries all parked entries again, however many there are', async () => {
    const outbox = new MemoryOutbox();
    let statements = 0;
    outbox.unpark = async (_, limit) => ((statements += 1) <= 150 ? limit : 0);
    relaying({ outbox }).relay.start();
    await eventually(() => expect(statements).toBe(151));
  });

  it('goes on after Postgres was out', async () => {
    const outbox = new MemoryOutbox();
    const lease = outbox.lease.bind(outbox);
    let failures = 2;
    outbox.lease = async (options) => {
      failures -= 1;
      if (failures >= 0) throw new Error('postgres is out');
      return lease(options);
    };
    const { relay, written, left } = relaying({ outbox });
    written(3);
    relay.start();
    await eventually(() => expect(left()).toEqual([]));
  });
});
