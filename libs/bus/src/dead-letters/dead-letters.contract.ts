import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeadLetterOrder } from '#lib/contracts/admin';
import { newId } from '#lib/contracts/ids';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import { aRow } from '../builders.contract.js';
import { forReplay, REPLAYED } from './dead-letter.js';
import { DeadLetters } from './dead-letters.js';
import type { DeadLettersPort } from './dead-letters.port.js';
import type { PublishOutcome } from '../publish/publisher.port.js';
import { deadLetterQueue } from '../topology.js';
import { forDeadLetterQueue, header, toWireMessage, type WireMessage } from '../wire-message.js';

/** A bus with dead letters that a test may do with as it likes. */
export interface DeadLettersUnderTest {
  readonly port: DeadLettersPort;
  copyTo(queue: string, message: WireMessage): Promise<PublishOutcome>;
  /** Takes everything out of a queue. */
  takeAll(queue: string): Promise<WireMessage[]>;
  stop(): Promise<void>;
}

/** The queue of the suite takes so many messages. */
export const ROOM = 40;
export const QUEUE = 'embedding.messages';

const DLQ = deadLetterQueue(QUEUE);
/** The suite knows one queue, whatever the product has. */
const rows = { [QUEUE]: aRow() };

/** What went wrong with a letter, as its headers say it. */
class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

/** Event ids in order. */
export const idsOf = (messages: readonly Pick<WireMessage, 'id'>[]): (string | undefined)[] => messages.map(({ id }) => id);

/** A message as the bus sets it aside after three tries. */
export const aDeadLetter = (facts: { readonly error?: Error; readonly conversationId?: string } = {}): WireMessage => {
  const { error = new Unreadable('no such word'), conversationId = newId() } = facts;
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const message = toWireMessage(aMessageCreated({ conversationId }), { requestId: 'request-1', traceparent });
  return forDeadLetterQueue({ ...message, headers: { ...message.headers, [header.attempt]: 3 } }, error, QUEUE);
};

/** What every adapter promises, seen through the orders of an operator; `start` makes a new bus with empty queues. */
export const deadLettersContract = (start: () => Promise<DeadLettersUnderTest>): void => {
  let bus: DeadLettersUnderTest;
  let deadLetters: DeadLetters;
  let logged: Record<string, unknown>[];

  const logger = () =>
    createLogger('test', 'info', { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) });

  const bury = async (...letters: WireMessage[]): Promise<WireMessage[]> => {
    for (const letter of letters) expect(await bus.copyTo(DLQ, letter)).toEqual({ kind: 'confirmed' });
    return letters;
  };
  const buryMany = (count: number) => bury(...Array.from({ length: count }, () => aDeadLetter()));
  const all = (order: Partial<DeadLetterOrder> = {}): DeadLetterOrder => ({
    queue: QUEUE,
    all: true,
    dryRun: false,
    force: false,
    ...order,
  });
  const only = (letters: readonly WireMessage[], order: Partial<DeadLetterOrder> = {}): DeadLetterOrder => ({
    queue: QUEUE,
    ids: letters.map(({ id }) => id ?? ''),
    dryRun: false,
    force: false,
    ...order,
  });
  const listed = async () => (await deadLetters.list({ queue: QUEUE, limit: 1_000 })).items.map(({ id }) => id);

  beforeEach(async () => {
    logged = [];
    bus = await start();
    deadLetters = new DeadLetters(bus.port, logger(), 20_000, rows);
  });
  afterEach(() => bus.stop());

  describe('looking', () => {
    it('a list describes each letter, oldest first, and changes none', async () => {
      const letters = await buryMany(5);
      const { items, isComplete } = await deadLetters.list({ queue: QUEUE, limit: 50 });
      expect({ ids: items.map(({ id }) => id), isComplete }).toEqual({ ids: idsOf(letters), isComplete: true });
      expect(items[0]).toEqual({
        id: letters[0]?.id,
        queue: QUEUE,
        type: 'message.created',
        conversationId: letters[0]?.headers[header.conversationId],
        errorClass: 'Unreadable',
        error: 'no such word',
        attempts: 3,
        firstFailedAt: letters[0]?.headers[header.firstFailedAt],
        lastFailedAt: letters[0]?.headers[header.lastFailedAt],
        traceId: '0af7651916cd43dd8448eb211c80319c',
        replays: 0,
        replayedAt: null,
        sizeBytes: letters[0]?.body.byteLength,
      });
      const after = await bus.takeAll(DLQ);
      expect(after.map(({ id, body }) => [id, body.toString()])).toEqual(letters.map(({ id, body }) => [id, body.toString()]));
      for (const [i, letter] of letters.entries()) expect(after[i]?.headers).toMatchObject(letter.headers);
    });

    it('letters keep their order however often and however far they are listed', async () => {
      const letters = await buryMany(30);
      for (const limit of [3, 20, 1, 1_000, 7]) {
        expect((await deadLetters.list({ queue: QUEUE, limit })).items.map(({ id }) => id)).toEqual(idsOf(letters.slice(0, limit)));
      }
      const [late] = await buryMany(1);
      expect(await listed()).toEqual([...idsOf(letters), late?.id]);
    });

    it('a filtered list says whether it is complete', async () => {
      const conversationId = newId();
      const [plain, inConversation, , other] = await bury(
        aDeadLetter(),
        aDeadLetter({ conversationId }),
        aDeadLetter({ conversationId }),
        aDeadLetter({ error: new RangeError('too far') }),
      );
      const find = async (query: Partial<Parameters<DeadLetters['list']>[0]>) => {
        const { items, isComplete } = await deadLetters.list({ limit: 50, ...query });
        return { ids: items.map(({ id }) => id), isComplete };
      };
      expect(await find({ conversationId, limit: 1 })).toEqual({ ids: [inConversation?.id], isComplete: false });
      expect(await find({ errorClass: 'RangeError' })).toEqual({ ids: [other?.id], isComplete: true });
      expect(await find({ type: 'message.edited' })).toEqual({ ids: [], isComplete: true });
      expect(await find({ limit: 1 })).toEqual({ ids: [plain?.id], isComplete: false });
    });

    it('a text selects letters that have it in their error or payload, and an order with it takes no other', async () => {
      const [plain, far, other] = await bury(
        aDeadLetter(),
        aDeadLetter({ error: new RangeError('too FAR away') }),
        aDeadLetter({ conversationId: newId() }),
      );
      const find = async (text: string) => (await deadLetters.list({ limit: 50, text })).items.map(({ id }) => id);
      expect(await find('too far')).toEqual([far?.id]);
      expect(await find('xin CHÀO')).toEqual(idsOf([plain, far, other].filter((letter) => letter !== undefined)));
      expect(await find(other?.id?.slice(5) ?? '')).toEqual([other?.id]);
      expect(await find('nowhere')).toEqual([]);
      expect(await deadLetters.discard(all({ text: 'too far' }), 'alice')).toMatchObject({ done: 1, remaining: 0 });
      expect(await listed()).toEqual(idsOf([plain, other].filter((letter) => letter !== undefined)));
      expect(JSON.stringify(logged.filter((line) => 'audit' in line))).not.toContain('too far');
    });

    it('a message without properties is described from its body', async () => {
      const event = aMessageCreated();
      const bare = { id: undefined, publishedAt: undefined, headers: {} };
      const own = { ...bare, type: QUEUE, body: Buffer.from(JSON.stringify(event)) };
      const text = { ...bare, type: QUEUE, body: Buffer.from('not json: \u001b[31mred') };
      const bytes = { ...bare, type: QUEUE, body: Buffer.from([0xff, 0x00]) };
      await bury(own, text, bytes);
      const { items } = await deadLetters.list({ queue: QUEUE, limit: 10 });
      expect(items).toMatchObject([
        { id: event.eventId, type: 'message.created', conversationId: event.conversationId },
        { id: expect.stringMatching(/^sha256:/), type: 'unknown', conversationId: null },
        { id: expect.stringMatching(/^sha256:/), type: 'unknown' },
      ]);
      expect(await deadLetters.find(event.eventId)).toMatchObject({ payloadEncoding: 'json', payload: event });
      expect(await deadLetters.find(items[1]?.id ?? '')).toMatchObject({ payloadEncoding: 'text', payload: 'not json: \u001b[31mred' });
      expect(await deadLetters.find(items[2]?.id ?? '')).toMatchObject({ payloadEncoding: 'base64', payload: '/wA=' });
    });

    it('a letter is found by its id with its payload, and an unknown id finds none', async () => {
      const letters = await buryMany(3);
      const shown = await deadLetters.find(letters[1]?.id ?? '');
      expect(shown).toMatchObject({ id: letters[1]?.id, payloadEncoding: 'json', payload: JSON.parse(String(letters[1]?.body)) });
      expect(await deadLetters.find(newId(), QUEUE)).toBeUndefined();
    });

    it('a payload that is no JSON is shown in base64, under an id made of its bytes when it has none', async () => {
      await bury({ id: undefined, type: 'message.created', publishedAt: undefined, headers: {}, body: Buffer.from([0xff, 0x00]) });
      const [id = ''] = await listed();
      expect(id).toMatch(/^sha256:[0-9a-f]{32}$/);
      expect(await deadLetters.find(id)).toMatchObject({ payloadEncoding: 'base64', payload: '/wA=', errorClass: null, attempts: 1 });
    });

    it('an unknown queue is not found', async () => {
      await expect(deadLetters.list({ queue: 'nobody.hears', limit: 1 })).rejects.toMatchObject({ code: 'not-found' });
      await expect(deadLetters.replay(all({ queue: 'nobody.hears' }), 'alice')).rejects.toMatchObject({ code: 'not-found' });
    });

    it('two lists at one moment wait for one another, and both are complete', async () => {
      const letters = await buryMany(20);
      const answers = await Promise.all(Array.from({ length: 5 }, listed));
      for (const answer of answers) expect(answer).toEqual(idsOf(letters));
    });
  });

  describe('replaying', () => {
    it('a replayed letter goes back unchanged, from its first attempt on, and no other letter moves', async () => {
      const letters = await buryMany(4);
      const chosen = letters.slice(2, 3);
      expect(await deadLetters.replay(only(chosen), 'alice')).toMatchObject({ done: 1, notFound: [], remaining: 0, stoppedBy: null });
      const [back, ...others] = await bus.takeAll(QUEUE);
      expect(others).toEqual([]);
      expect(back).toMatchObject({ id: chosen[0]?.id, type: 'message.created', body: chosen[0]?.body });
      // RabbitMQ counts anew how often it had to take the copy back.
      const { 'x-delivery-count': returns = 0, ...headers } = back?.headers ?? {};
      expect(returns).toBe(0);
      expect(headers).toEqual({
        [header.schemaVersion]: 1,
        [header.conversationId]: chosen[0]?.headers[header.conversationId],
        [header.requestId]: 'request-1',
        [header.traceparent]: chosen[0]?.headers[header.traceparent],
        [header.firstFailedAt]: chosen[0]?.headers[header.firstFailedAt],
        [header.attempt]: 1,
        [REPLAYED]: 1,
        [header.replayedAt]: expect.stringMatching(/^\d{4}-.*Z$/),
      });
      expect(await listed()).toEqual(idsOf(letters.filter((letter) => letter !== chosen[0])));
    });

    it('all matching letters are replayed in their order', async () => {
      const letters = await bury(...Array.from({ length: 10 }, (_, i) => aDeadLetter(i % 2 === 0 ? {} : { error: new RangeError('odd') })));
      const odd = letters.filter((_, i) => i % 2 === 1);
      expect(await deadLetters.replay(all({ errorClass: 'RangeError' }), 'alice')).toMatchObject({ done: 5, remaining: 0 });
      expect(idsOf(await bus.takeAll(QUEUE))).toEqual(idsOf(odd));
      expect(await listed()).toEqual(idsOf(letters.filter((letter) => !odd.includes(letter))));
    });

    it('a watched replay names the letters that died again, and when they were replayed', async () => {
      const letters = await buryMany(2);
      const replaying = deadLetters.replay(only(letters, { watchSeconds: 10 }), 'alice');
      const back: WireMessage[] = [];
      await eventually(async () => {
        back.push(...(await bus.takeAll(QUEUE)));
        expect(back).toHaveLength(2);
      });
      await bury(...back.map((copy) => forDeadLetterQueue(copy, new Unreadable('again'), QUEUE)));

      const { diedAgain } = await replaying;

      expect(new Set(diedAgain)).toEqual(new Set(idsOf(letters)));
      const { items } = await deadLetters.list({ queue: QUEUE, limit: 10 });
      expect(items).toMatchObject([1, 2].map(() => ({ replays: 1, error: 'again', replayedAt: expect.stringMatching(/^\d{4}-.*Z$/) })));
    });

    it('a dry run shows what it would do, and writes no audit line', async () => {
      const letters = await buryMany(3);
      const outcome = await deadLetters.replay(all({ dryRun: true }), 'alice');
      expect(outcome).toMatchObject({ dryRun: true, done: 3, remaining: 0 });
      expect(outcome.items.map(({ id }) => id)).toEqual(idsOf(letters));
      expect(await bus.takeAll(QUEUE)).toEqual([]);
      expect(await listed()).toEqual(idsOf(letters));
      expect(logged.filter((line) => 'audit' in line)).toEqual([]);
    });

    it('an order names its ids that are missing', async () => {
      const letters = await buryMany(1);
      const missing = newId();
      const outcome = await deadLetters.replay(only([...letters, { ...aDeadLetter(), id: missing }]), 'alice');
      expect(outcome).toMatchObject({ done: 1, notFound: [missing], remaining: 0, next: null });
    });

    it('a letter replayed three times is refused unless forced', async () => {
      const tired = [1, 2, 3].reduce((letter) => forDeadLetterQueue(forReplay(letter), new Unreadable('again'), QUEUE), aDeadLetter());
      const [, fresh] = await bury(tired, aDeadLetter());
      const outcome = await deadLetters.replay(all(), 'alice');
      expect(outcome).toMatchObject({ done: 1, refusedCount: 1, refused: [{ id: tired.id, reason: expect.stringContaining('3 times') }] });
      expect(idsOf(await bus.takeAll(QUEUE))).toEqual([fresh?.id]);
      expect(await deadLetters.replay(only([tired], { force: true }), 'alice')).toMatchObject({ done: 1, refusedCount: 0 });
      expect((await bus.takeAll(QUEUE)).map(({ headers }) => headers[REPLAYED])).toEqual([4]);
      expect(await listed()).toEqual([]);
    });

    it('a replay keeps its rate', async () => {
      await buryMany(11);
      const startedAt = performance.now();
      expect(await deadLetters.replay(all({ ratePerSecond: 20 }), 'alice')).toMatchObject({ done: 11 });
      // From the first to the eleventh are ten turns of 50 ms.
      const tookMs = performance.now() - startedAt;
      expect(tookMs).toBeGreaterThan(495);
      expect(tookMs).toBeLessThan(4_500);
    });

    it('an order stops when its time is over, and continues with the next order', async () => {
      const letters = await buryMany(8);
      const inAHurry = new DeadLetters(bus.port, logger(), 1_500, rows);
      const first = await inAHurry.replay(all({ ratePerSecond: 4 }), 'alice');
      expect(first).toMatchObject({ stoppedBy: 'time', remaining: 8 - first.done, next: { first: 8 - first.done } });
      expect(first.done).toBeGreaterThanOrEqual(2);
      expect(first.done).toBeLessThan(8);
      const [late] = await buryMany(1);
      const second = await deadLetters.replay(all(first.next ?? {}), 'alice');
      expect(second).toMatchObject({ done: 8 - first.done, remaining: 0, next: null });
      expect(idsOf(await bus.takeAll(QUEUE))).toEqual(idsOf(letters));
      expect(await listed()).toEqual([late?.id]);
    });

    it('a letter that its queue refuses stays, and the outcome says why', async () => {
      const letters = await buryMany(ROOM + 5);
      const outcome = await deadLetters.replay(all(), 'alice');
      expect(outcome.stoppedBy).toContain('RabbitMQ: nacked');
      expect(outcome.remaining).toBe(letters.length - outcome.done);
      const back = await bus.takeAll(QUEUE);
      expect(back).toHaveLength(outcome.done);
      expect(await listed()).toEqual(idsOf(letters.slice(outcome.done)));
    });

    it('the audit log says who, what and how many, before and after', async () => {
      const letters = await buryMany(2);
      await deadLetters.replay(only(letters), 'alice');
      await deadLetters.discard(all(), 'bob');
      const lines = logged.filter((line) => 'audit' in line);
      expect(lines).toMatchObject([
        { audit: 'dead-letters.replay', by: 'alice', queue: QUEUE, ids: idsOf(letters) },
        { audit: 'dead-letters.replay', by: 'alice', ids: idsOf(letters), done: 2, remaining: 0 },
        { audit: 'dead-letters.discard', by: 'bob', all: true },
        { audit: 'dead-letters.discard', by: 'bob', ids: [], done: 0 },
      ]);
      expect(lines[0]).not.toHaveProperty('done');
      expect(JSON.stringify(logged)).not.toContain('Xin chào');
    });
  });

  describe('discarding', () => {
    it('a discard removes the chosen letters and no other', async () => {
      const letters = await buryMany(5);
      expect(await deadLetters.discard(only([letters[1], letters[3]].filter((letter) => letter !== undefined)), 'alice')).toMatchObject({
        done: 2,
        remaining: 0,
      });
      expect(await listed()).toEqual(idsOf([letters[0], letters[2], letters[4]].filter((letter) => letter !== undefined)));
      expect(await bus.takeAll(QUEUE)).toEqual([]);
    });

    it('the audit log has every discarded id, also of an order for all', async () => {
      const letters = await buryMany(130);
      await deadLetters.discard(all(), 'bob');
      const noted = logged.filter(({ audit }) => audit === 'dead-letters.discard').flatMap(({ ids = [] }) => ids as string[]);
      expect(noted).toEqual(idsOf(letters));
    });

    it('a discard of all empties the queue', async () => {
      await buryMany(5);
      expect(await deadLetters.discard(all(), 'alice')).toMatchObject({ done: 5, remaining: 0 });
      expect(await listed()).toEqual([]);
    });
  });

  it('the letters return to their queue when the work under the lock fails', async () => {
    const letters = await buryMany(3);
    const failure = bus.port.lock(QUEUE, async (held) => {
      await held.next();
      throw new Error('something else broke');
    });
    await expect(failure).rejects.toThrow(/broke|unavailable/);
    expect(new Set(await listed())).toEqual(new Set(idsOf(letters)));
  });
};
