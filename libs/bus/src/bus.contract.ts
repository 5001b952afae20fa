import type { MessageHandler } from '@nestjs/microservices';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MessageCreated, type MessageEvent, newEvent, type ParleyEvent } from '#lib/contracts/events';
import type { PipelineRow } from '#lib/contracts/pipeline';
import { MemoryInbox } from '#lib/database/inbox/adapters/memory-inbox';
import { DependencyError } from '#lib/resilience/call/errors';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import { aRow, SwitchedBreakers } from './builders.contract.js';
import type { ConsumerTiming } from './consume/consumer-settings.js';
import type { InboxPort } from './consume/run/inbox.port.js';
import { Postpone, Reject, SomeFailed } from './outcome.js';
import type { BreakerView, PauseState } from './consume/pause.js';
import type { PublisherPort, PublishOutcome } from './publish/publisher.port.js';
import type { DeadLetterListener } from './consume/settle/settle.js';
import { deadLetterQueue, MAX_RETURNS, type PipelineRows, retryDelayMs } from './topology.js';
import { attemptOf, header, toWireMessage, type WireMessage } from './wire-message.js';

/** A bus that a test may do with as it likes. */
export interface BusUnderTest {
  readonly publisher: PublisherPort;
  serve(options: ServeOptions): ServerUnderTest;
  copyTo(queue: string, message: WireMessage): Promise<PublishOutcome>;
  /** Ready messages in a queue. */
  readyIn(queue: string): Promise<number>;
  /** Takes everything out of a queue. */
  takeAll(queue: string): Promise<WireMessage[]>;
  stop(): Promise<void>;
}

/** What both servers take. */
export interface ServeOptions {
  readonly breakers: BreakerView;
  readonly drainMs: number;
  readonly timing?: Partial<ConsumerTiming>;
  readonly inbox?: InboxPort;
  readonly onDeadLetter?: DeadLetterListener;
}

/** What both servers can do; Nest calls the first three. */
export interface ServerUnderTest {
  addHandler(pattern: string, handler: MessageHandler, isEventHandler: boolean): void;
  listen(callback: (error?: unknown) => void): unknown;
  close(): Promise<void>;
  pauseStates(): Record<string, PauseState>;
}

/** What a bus is made with. `room` is the number of messages that one queue takes. */
export interface BusPlan {
  readonly pipeline: PipelineRows;
  readonly retryDelaysMs: readonly number[];
  readonly room: number;
}

const QUEUE = 'embedding.messages';
const RETRY_DELAYS_MS = [150, 300, 600];

type Handler = (events: readonly MessageEvent[]) => unknown;

/** What every bus promises; `start` makes a new one, with nothing in it. */
export const busContract = (start: (plan: BusPlan) => Promise<BusUnderTest>): void => {
  let bus: BusUnderTest;
  let breakers: SwitchedBreakers;
  let servers: ServerUnderTest[];

  let retryDelaysMs: readonly number[];

  const startBus = async (row: Partial<PipelineRow> = {}, others: PipelineRows = {}): Promise<void> => {
    const pipeline = { [QUEUE]: aRow(row), ...others };
    bus = await start({ pipeline, retryDelaysMs, room: row.maxLength ?? 10_000 });
  };

  const serve = async (handler: Handler, options: Partial<ServeOptions> = {}): Promise<ServerUnderTest> => {
    const server = bus.serve({
      breakers,
      drainMs: 2_000,
      ...options,
      timing: { retryDelaysMs, outageBackoff: { baseMs: 20, capMs: 40 }, ...options.timing },
    });
    server.addHandler(QUEUE, (async (events: MessageEvent[]) => handler(events)) as MessageHandler, true);
    await new Promise<void>((resolve, reject) => {
      void server.listen((error) => (error === undefined ? resolve() : reject(error)));
    });
    servers.push(server);
    return server;
  };

  const publish = async (...events: ParleyEvent[]): Promise<void> => {
    const outcomes = await Promise.all(events.map((event) => bus.publisher.publish(event)));
    for (const outcome of outcomes) expect(outcome).toEqual({ kind: 'confirmed' });
  };

  const deadLetters = () => bus.takeAll(deadLetterQueue(QUEUE));

  const untilAllIsQuiet = () => eventually(async () => expect(await bus.readyIn(QUEUE)).toBe(0), { what: 'an empty queue' });

  beforeEach(() => {
    breakers = new SwitchedBreakers();
    servers = [];
    retryDelaysMs = RETRY_DELAYS_MS;
  });

  afterEach(async () => {
    await Promise.all(servers.map((server) => server.close()));
    await bus.stop();
  });

  describe('delivering', () => {
    it('a handler gets each published event of its queue once, in batches', async () => {
      await startBus();
      const batches: MessageEvent[][] = [];
      await serve((events) => void batches.push([...events]));
      const events = messages(35);

      await publish(...events);

      await eventually(() => expect(new Set(idsOf(batches.flat()))).toEqual(new Set(idsOf(events))));
      expect(Math.max(...batches.map(({ length }) => length))).toBeLessThanOrEqual(10);
      expect(batches.length).toBeLessThan(35);
      expect(batches.flat()[0]).toEqual(events.find(({ eventId }) => eventId === batches[0]?.[0]?.eventId));
      await untilAllIsQuiet();
    });

    it('a lone event is delivered when the wait of its batch is over', async () => {
      await startBus({ batch: { size: 100, waitMs: 20 } });
      const handled: MessageEvent[] = [];
      await serve((events) => void handled.push(...events));

      await publish(aMessageCreated());

      await eventually(() => expect(handled).toHaveLength(1));
    });

    it('a queue keeps events that are published before it has a consumer', async () => {
      await startBus();
      await publish(...messages(3));
      const handled: MessageEvent[] = [];

      await serve((events) => void handled.push(...events));

      await eventually(() => expect(handled).toHaveLength(3));
    });

    it('an event that no queue hears is confirmed', async () => {
      await startBus();
      await publish(embedded(aMessageCreated()));
      expect(await bus.readyIn(QUEUE)).toBe(0);
    });

    it('an event that breaks its schema is refused before it is published', async () => {
      await startBus();
      const broken = { ...aMessageCreated(), eventId: 'not an id' };
      await expect(bus.publisher.publish(broken)).rejects.toThrow(/eventId/);
    });

    it('a consumer ignores fields that a newer version added', async () => {
      await startBus();
      const handled: MessageEvent[] = [];
      await serve((events) => void handled.push(...events));
      const event = aMessageCreated();

      await bus.copyTo(QUEUE, { ...toWireMessage(event), body: Buffer.from(JSON.stringify({ ...event, added: 'later' })) });

      await eventually(() => expect(handled).toEqual([event]));
    });

    it('a server whose handlers differ from its rows refuses to start', async () => {
      await startBus({}, { 'embedding.documents': aRow({ hears: [] }) });
      await expect(serve(() => undefined)).rejects.toThrow(/embedding\.documents: a row of embedding, but nothing handles it/);
    });
  });

  describe('retrying', () => {
    it('an event is tried three times with growing waits, then dead-lettered with everything an operator needs', async () => {
      await startBus();
      const triedAt: number[] = [];
      const told: unknown[] = [];
      const event = aMessageCreated();
      const original = toWireMessage(event, { requestId: 'request-1', traceparent: TRACEPARENT });
      await serve(
        () => {
          triedAt.push(performance.now());
          throw new RangeError('the model refuses');
        },
        { onDeadLetter: (queue, failed, error) => void told.push({ queue, failed, error }) },
      );

      await bus.copyTo(QUEUE, original);

      await eventually(() => expect(told).toEqual([{ queue: QUEUE, failed: event, error: new RangeError('the model refuses') }]));
      expect(triedAt).toHaveLength(3);
      const waits = triedAt.slice(1).map((at, index) => at - (triedAt[index] ?? 0));
      for (const [index, wait] of waits.entries()) {
        const wanted = retryDelayMs(QUEUE, index + 1, RETRY_DELAYS_MS);
        expect(wait).toBeGreaterThan(wanted * 0.95);
        expect(wait).toBeLessThan(wanted + 3_000);
      }
      const [letter] = await deadLetters();
      expect(letter).toMatchObject({ id: event.eventId, type: 'message.created' });
      expect(letter?.body.equals(original.body)).toBe(true);
      expect(letter?.headers).toMatchObject({
        [header.schemaVersion]: 1,
        [header.attempt]: 3,
        [header.attempts]: 3,
        [header.requestId]: 'request-1',
        [header.conversationId]: event.conversationId,
        [header.traceparent]: TRACEPARENT,
        [header.traceId]: TRACEPARENT.split('-')[1],
        [header.error]: 'the model refuses',
        [header.errorClass]: 'RangeError',
        [header.originQueue]: QUEUE,
        [header.stackHash]: expect.stringMatching(/^[0-9a-f]{12}$/),
      });
      const [first, last] = [header.firstFailedAt, header.lastFailedAt].map((name) => Date.parse(String(letter?.headers[name])));
      expect((last ?? 0) - (first ?? 0)).toBeGreaterThan(400);
      expect(Object.keys(letter?.headers ?? {})).not.toContain('x-death');
    });

    it('an event is done when a later attempt succeeds', async () => {
      await startBus();
      let tries = 0;
      await serve(() => {
        tries += 1;
        if (tries < 3) throw new Error('not yet');
      });
      await publish(aMessageCreated());
      await eventually(() => expect(tries).toBe(3));
      await untilAllIsQuiet();
      expect(await deadLetters()).toEqual([]);
    });

    it('an event that the handler rejects is dead-lettered at once', async () => {
      await startBus();
      let tries = 0;
      await serve(() => {
        tries += 1;
        throw new Reject('impossible state');
      });
      await publish(aMessageCreated());
      const letters = await eventuallySome(deadLetters);
      expect(letters[0]?.headers).toMatchObject({
        [header.error]: 'impossible state',
        [header.errorClass]: 'Reject',
        [header.attempts]: 1,
      });
      expect(tries).toBe(1);
    });

    it('a message that is no event is dead-lettered at once, without calling the handler', async () => {
      await startBus();
      const handled: unknown[] = [];
      const told: unknown[] = [];
      await serve((events) => void handled.push(events), { onDeadLetter: (_, event) => void told.push(event) });
      const good = toWireMessage(aMessageCreated());

      for (const body of ['not json', '[]', '{"type":"Invented"}', '{"type":"message.created","version":1}']) {
        await bus.copyTo(QUEUE, { ...good, body: Buffer.from(body) });
      }

      const letters = await eventuallySome(deadLetters, 4);
      expect(letters.map(({ headers }) => headers[header.errorClass])).toEqual(['Reject', 'Reject', 'Reject', 'Reject']);
      expect(letters.map(({ body }) => body.toString())).toContain('not json');
      await eventually(() => expect(told).toEqual([undefined, undefined, undefined, undefined]));
      expect(handled).toEqual([]);
    });

    it('an event of unknown type waits for a newer consumer, and is dead-lettered when none came', async () => {
      await startBus({ hears: ['message.created'] });
      const known = aMessageCreated();
      const handled: MessageEvent[] = [];
      await serve((events) => void handled.push(...events), { timing: { maxUnknown: 2 } });
      const invented = { ...toWireMessage(known), body: Buffer.from('{"type":"message.invented"}') };

      await bus.copyTo(QUEUE, invented);
      await bus.copyTo(QUEUE, toWireMessage(known));

      await eventually(() => expect(handled).toEqual([known]));
      expect(await deadLetters()).toEqual([]);
      const [letter] = await eventuallySome(deadLetters);
      expect(letter?.headers).toMatchObject({
        [header.error]: 'unknown event type "message.invented"',
        [header.attempts]: 1,
        [header.unknown]: 2,
      });
    });

    it('a message is retried and dead-lettered whatever its headers hold', async () => {
      await startBus();
      await serve(() => {
        throw new Error('each time');
      });
      const good = toWireMessage(aMessageCreated());
      const forged = {
        [header.attempt]: 1e9,
        [header.returns]: -1,
        [header.replayed]: Number.MAX_SAFE_INTEGER,
        [header.traceparent]: 'a'.repeat(40_000),
        [header.requestId]: 'b'.repeat(10_000),
        'x-death': 'no table',
        __proto__: 'c',
        constructor: 'd',
        'x-long': 'e'.repeat(10_000),
      };

      expect(await bus.copyTo(QUEUE, { ...good, headers: { ...good.headers, ...forged } })).toEqual({ kind: 'confirmed' });

      const [letter] = await eventuallySome(deadLetters);
      expect(letter).toMatchObject({ id: good.id, headers: { [header.attempts]: 3, [header.error]: 'each time', constructor: 'd' } });
      expect(JSON.stringify(letter?.headers).length).toBeLessThan(2_000);
    });

    it('a postponed event comes back later without an attempt counted', async () => {
      await startBus();
      let calls = 0;
      await serve(() => {
        calls += 1;
        if (calls <= 4) throw new Postpone(1);
        throw new Error('now it fails');
      });
      await publish(aMessageCreated());
      const letters = await eventuallySome(deadLetters);
      expect(letters[0]?.headers[header.attempts]).toBe(3);
      expect(calls).toBe(4 + 3);
    });

    it('a bad event among fifty fails alone: the others are done once and count no attempt', async () => {
      await startBus({ batch: { size: 50, waitMs: 100 } });
      const events = messages(50);
      const bad = events[17];
      const done: MessageEvent[] = [];
      const batchSizes: number[] = [];
      await serve((batch) => {
        batchSizes.push(batch.length);
        if (batch.some(({ eventId }) => eventId === bad?.eventId)) throw new Error('one of these is bad');
        done.push(...batch);
      });

      await publish(...events);

      const letters = await eventuallySome(deadLetters);
      expect(letters.map(({ id }) => id)).toEqual([bad?.eventId]);
      expect(letters[0] && attemptOf(letters[0])).toBe(3);
      expect(done).toHaveLength(49);
      expect(new Set(idsOf(done)).size).toBe(49);
      expect(Math.max(...batchSizes)).toBeGreaterThan(20);
    });

    it('a handler that says which events failed is called once for the others, whatever becomes of those', async () => {
      await startBus({ batch: { size: 50, waitMs: 100 } });
      const events = messages(20);
      const [refused, later] = [events[3], events[7]];
      const calls = new Map<string, number>();
      await serve((batch) => {
        for (const { eventId } of batch) calls.set(eventId, (calls.get(eventId) ?? 0) + 1);
        const errors = batch.flatMap(({ eventId }): [string, Error][] => {
          if (eventId === refused?.eventId) return [[eventId, new TypeError('not this one')]];
          return eventId === later?.eventId && calls.get(eventId) === 1 ? [[eventId, new Postpone(1)]] : [];
        });
        if (errors.length > 0) throw new SomeFailed(new Map(errors));
      });

      await publish(...events);

      const letters = await eventuallySome(deadLetters);
      expect(letters).toMatchObject([
        { id: refused?.eventId, headers: { [header.error]: 'not this one', [header.errorClass]: 'TypeError' } },
      ]);
      await eventually(() => expect(calls.get(later?.eventId ?? '')).toBe(2));
      const others = events.filter((event) => event !== refused && event !== later);
      expect([calls.get(refused?.eventId ?? ''), ...others.map(({ eventId }) => calls.get(eventId))]).toEqual([3, ...others.map(() => 1)]);
    });

    it('a handler that exceeds its deadline has failed an attempt', async () => {
      await startBus({ deadlineMs: 100, attempts: 2 });
      await serve(() => new Promise(() => undefined));
      await publish(aMessageCreated());
      const letters = await eventuallySome(deadLetters);
      expect(letters[0]?.headers).toMatchObject({ [header.errorClass]: 'DeadlineExceeded', [header.attempts]: 2 });
    });

    it('a failing dead-letter listener changes no outcome', async () => {
      await startBus();
      await serve(
        () => {
          throw new Reject('bad');
        },
        {
          onDeadLetter: () => {
            throw new Error('the listener fails too');
          },
        },
      );
      await publish(...messages(2));
      expect(await eventuallySome(deadLetters, 2)).toHaveLength(2);
      await untilAllIsQuiet();
    });
  });

  describe('an outage', () => {
    it('a queue pauses while a breaker is open, probes with exactly one event, and ramps up', async () => {
      await startBus({ batch: { size: 10, waitMs: 1 } });
      const running: number[] = [];
      const release: (() => void)[] = [];
      const handled: MessageEvent[] = [];
      breakers.switch('chroma', 'open');
      const server = await serve(async (events) => {
        running.push(events.length);
        await new Promise<void>((resolve) => release.push(resolve));
        handled.push(...events);
      });
      const events = messages(40);
      await publish(...events);
      expect(server.pauseStates()).toEqual({ [QUEUE]: 'paused' });
      expect(running).toEqual([]);

      breakers.switch('chroma', 'half-open');
      await eventually(() => expect(running).toEqual([1]));
      expect(server.pauseStates()).toEqual({ [QUEUE]: 'probing' });

      breakers.switch('chroma', 'closed');
      await eventually(() => {
        for (const free of release.splice(0)) free();
        expect(handled).toHaveLength(40);
      });
      expect(running.slice(0, 3)).toEqual([1, 2, 4]);
      expect(new Set(idsOf(handled)).size).toBe(40);
      expect(server.pauseStates()).toEqual({ [QUEUE]: 'running' });
      expect(await deadLetters()).toEqual([]);
    });

    it('a paused queue stops, and a queue that does not need the dependency goes on', async () => {
      await startBus({ pausesWith: ['postgres'] });
      breakers.switch('chroma', 'open');
      const handled: MessageEvent[] = [];
      await serve((events) => void handled.push(...events));
      await publish(aMessageCreated());
      await eventually(() => expect(handled).toHaveLength(1));
    });

    it('a consumer holds events in an outage that no breaker notices, without an attempt counted', async () => {
      await startBus();
      let calls = 0;
      const handled: MessageEvent[] = [];
      await serve((events) => {
        calls += 1;
        if (calls <= 8) throw new DependencyError('chroma', 'upsert', 'timeout', { retryAfterMs: 1 });
        handled.push(...events);
      });
      await publish(...messages(12));
      await eventually(() => expect(new Set(idsOf(handled)).size).toBe(12));
      expect(handled).toHaveLength(12);
      await untilAllIsQuiet();
      expect(await deadLetters()).toEqual([]);
    });

    it('a call that was not tried counts no attempt, whatever its dependency', async () => {
      await startBus({ pausesWith: [] });
      let calls = 0;
      await serve(() => {
        calls += 1;
        if (calls <= 6) throw new DependencyError('llm', 'analyse', 'open', { retryAfterMs: 1 });
      });
      await publish(aMessageCreated());
      await eventually(() => expect(calls).toBe(7));
      expect(await deadLetters()).toEqual([]);
    });

    it('a failed call to a dependency that does not pause the queue counts as an attempt', async () => {
      await startBus({ pausesWith: ['postgres'] });
      await serve(() => {
        throw new DependencyError('llm', 'analyse', 'timeout');
      });
      await publish(aMessageCreated());
      const letters = await eventuallySome(deadLetters);
      expect(letters[0]?.headers).toMatchObject({ [header.errorClass]: 'DependencyError', [header.attempts]: 3 });
    });

    it('an event that alone meets outages while others succeed is treated as poison', async () => {
      await startBus({ batch: { size: 4, waitMs: 5 } });
      const bad = aMessageCreated();
      const handled: MessageEvent[] = [];
      await serve((events) => {
        if (events.some(({ eventId }) => eventId === bad.eventId))
          throw new DependencyError('chroma', 'upsert', 'timeout', { retryAfterMs: 1 });
        handled.push(...events);
      });
      await publish(bad);
      const letters = await eventuallySome(async () => {
        await publish(aMessageCreated()); // life goes on: without it there is nothing to tell it from an outage by
        return deadLetters();
      });
      expect(letters.map(({ id }) => id)).toEqual([bad.eventId]);
    });

    it('an event held for too long is requeued through a retry tier, without an attempt counted', async () => {
      await startBus();
      const handled: MessageEvent[] = [];
      await serve((events) => void handled.push(...events), { timing: { holdMs: 100 } });
      await publish(aMessageCreated());
      await eventually(() => expect(handled).toHaveLength(1));
      let isOut = true;
      const other = await serve(
        (events) => {
          if (isOut) throw new DependencyError('chroma', 'upsert', 'open', { retryAfterMs: 1 });
          handled.push(...events);
        },
        { timing: { holdMs: 100 } },
      );
      await servers[0]?.close();
      const held = aMessageCreated();
      await publish(held);
      await eventually(() => expect(other.pauseStates()[QUEUE]).toBe('paused'));
      breakers.switch('chroma', 'open');
      await eventually(async () => expect(await bus.readyIn(QUEUE)).toBe(1), { what: 'the held event back in its queue' });
      isOut = false;
      breakers.switch('chroma', 'closed');
      await eventually(() => expect(idsOf(handled)).toContain(held.eventId));
      expect(await deadLetters()).toEqual([]);
    });
  });

  describe('handling once', () => {
    it('an event published twice has its effect once', async () => {
      await startBus({ deduplicate: true, batch: { size: 1, waitMs: 0 }, concurrency: 1 });
      const handled: MessageEvent[] = [];
      await serve((events) => void handled.push(...events), { inbox: new MemoryInbox() });
      const [first, second] = messages(2);
      if (first === undefined || second === undefined) throw new Error('two messages');

      await publish(first);
      await publish(first);
      await publish(second);

      await eventually(() => expect(idsOf(handled)).toContain(second.eventId));
      await untilAllIsQuiet();
      expect(idsOf(handled)).toEqual([first.eventId, second.eventId]);
    });

    it('an event whose first handling failed is handled again', async () => {
      await startBus({ deduplicate: true });
      let tries = 0;
      await serve(
        () => {
          tries += 1;
          if (tries === 1) throw new Error('first time');
        },
        { inbox: new MemoryInbox() },
      );
      await publish(aMessageCreated());
      await eventually(() => expect(tries).toBe(2));
    });

    it('a row that deduplicates needs an inbox', async () => {
      await startBus({ deduplicate: true });
      await expect(serve(() => undefined)).rejects.toThrow(/needs an inbox/);
    });
  });

  describe('what follows', () => {
    const LISTENER = 'delivery.indexed';
    const listener = { [LISTENER]: aRow({ app: 'delivery', hears: ['message.embedded'], emits: [] }) };

    it('an event that a handler returns is published with the ids of its cause, before that one is acknowledged', async () => {
      await startBus({}, listener);
      const event = aMessageCreated();
      await serve((events) => (events as MessageCreated[]).map(embedded));

      await bus.copyTo(QUEUE, toWireMessage(event, { requestId: 'request-7', traceparent: TRACEPARENT }));

      await eventually(async () => expect(await bus.readyIn(LISTENER)).toBe(1));
      const [message] = await bus.takeAll(LISTENER);
      expect(message?.headers).toMatchObject({ [header.requestId]: 'request-7', [header.conversationId]: event.conversationId });
      expect(message?.headers[header.traceparent]).toMatch(new RegExp(`^00-${TRACEPARENT.split('-')[1]}-[0-9a-f]{16}-01$`));
      expect(message?.headers[header.traceparent]).not.toBe(TRACEPARENT);
    });

    it('an event that the row does not emit is a bug of the handler', async () => {
      await startBus({ emits: [], attempts: 1 }, listener);
      await serve((events) => (events as MessageCreated[]).map(embedded));
      await publish(aMessageCreated());
      const letters = await eventuallySome(deadLetters);
      expect(letters[0]?.headers[header.error]).toMatch(/message\.embedded is not among the events/);
      expect(await bus.readyIn(LISTENER)).toBe(0);
    });
  });

  describe('stopping', () => {
    it('a stopping server finishes running batches and leaves the rest in the queue, each event handled once in all', async () => {
      await startBus({ batch: { size: 1, waitMs: 0 }, concurrency: 1 });
      const handled: MessageEvent[] = [];
      const slowly = async (events: readonly MessageEvent[]) => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        handled.push(...events);
      };
      const server = await serve(slowly, { drainMs: 1_200 });
      await publish(...messages(8));
      await eventually(() => expect(handled).toHaveLength(1));

      await server.close();

      const handledByThen = handled.length;
      expect(handledByThen).toBeGreaterThan(1);
      expect(handledByThen).toBeLessThan(8);
      await serve((events) => void handled.push(...events));
      await eventually(() => expect(new Set(idsOf(handled)).size).toBe(8));
      expect(handled).toHaveLength(8);
      expect(await deadLetters()).toEqual([]);
    });

    it('a stopping server handles a batch that is not full yet', async () => {
      await startBus({ batch: { size: 100, waitMs: 60_000 } });
      const handled: MessageEvent[] = [];
      const server = await serve((events) => void handled.push(...events));
      await publish(...messages(3));
      await eventually(async () => expect(await bus.readyIn(QUEUE)).toBe(0));
      await server.close();
      expect(handled).toHaveLength(3);
      expect(await bus.readyIn(QUEUE)).toBe(0);
    });

    it('an event held in an outage counts nothing while its consumer restarts again and again', async () => {
      retryDelaysMs = [20, 40, 80];
      await startBus();
      const events = messages(12);
      await publish(...events);
      for (let restarts = 0; restarts <= MAX_RETURNS + 1; restarts += 1) {
        let held = 0;
        const server = await serve((batch) => {
          held += batch.length;
          throw new DependencyError('chroma', 'upsert', 'unavailable');
        });
        await eventually(() => expect(held).toBeGreaterThan(0));
        await server.close();
      }
      const handled: MessageEvent[] = [];
      await serve((batch) => void handled.push(...batch));
      await eventually(() => expect(new Set(idsOf(handled))).toEqual(new Set(idsOf(events))));
      expect(await deadLetters()).toEqual([]);
    });

    it('a stopping server requeues what outlives the drain, without an attempt counted', async () => {
      await startBus({ batch: { size: 1, waitMs: 0 }, attempts: 1 });
      let isStuck = true;
      const handled: MessageEvent[] = [];
      let calls = 0;
      const handler = async (events: readonly MessageEvent[]) => {
        calls += 1;
        if (isStuck) await new Promise(() => undefined);
        handled.push(...events);
      };
      const server = await serve(handler, { drainMs: 100 });
      await publish(aMessageCreated());
      await eventually(() => expect(calls).toBe(1));
      const startedAt = performance.now();
      await server.close();
      expect(performance.now() - startedAt).toBeLessThan(4_500); // the handler itself has 5 s

      isStuck = false;
      await serve(handler);
      await eventually(() => expect(handled).toHaveLength(1));
      expect(await deadLetters()).toEqual([]);
    });
  });

  describe('a full queue', () => {
    it('a full queue refuses publishes and takes them again when there is room', async () => {
      await startBus({ maxLength: 5, batch: { size: 1, waitMs: 0 } });
      const outcomes: PublishOutcome[] = [];
      for (const event of messages(12)) outcomes.push(await bus.publisher.publish(event));
      const kinds = outcomes.map(({ kind }) => kind);
      expect(kinds.slice(0, 5)).toEqual(Array(5).fill('confirmed'));
      expect(kinds.slice(-5)).toEqual(Array(5).fill('nacked'));

      const handled: MessageEvent[] = [];
      await serve((events) => void handled.push(...events));
      const late = aMessageCreated();
      await eventually(async () => expect(await bus.publisher.publish(late)).toEqual({ kind: 'confirmed' }));
      await eventually(() => expect(idsOf(handled)).toContain(late.eventId));
    });
  });
};

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const messages = (count: number): MessageCreated[] => Array.from({ length: count }, (_, index) => aMessageCreated({ seq: index + 1 }));

const idsOf = (events: readonly ParleyEvent[]): string[] => events.map(({ eventId }) => eventId);

const embedded = ({ data }: MessageCreated): ParleyEvent =>
  newEvent('message.embedded', {
    messageId: data.messageId,
    conversationId: data.conversationId,
    seq: data.seq,
    messageVersion: data.version,
    chunkCount: 1,
    model: 'test',
  });

/** Collects until there are `count`. */
const eventuallySome = async (take: () => Promise<WireMessage[]>, count = 1): Promise<WireMessage[]> => {
  const all: WireMessage[] = [];
  await eventually(async () => {
    all.push(...(await take()));
    expect(all.length).toBeGreaterThanOrEqual(count);
  });
  return all;
};
