import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aMessageCreated } from '#lib/testing/builders';
import { toWireMessage, type WireMessage } from '../wire-message.js';
import type { JournalEntry, JournalPort } from './journal.port.js';

/** A journal with nothing in it, and the same again as a process sees it that starts later. */
export interface JournalUnderTest {
  readonly journal: JournalPort;
  again(): JournalPort;
  stop(): Promise<void>;
}

const NO_ONE = new Map<string, number>();

/** An entry as the bus writes it. */
export const anEntry = (id: number, facts: Partial<JournalEntry> = {}): JournalEntry => ({
  id,
  queue: 'embedding.messages',
  message: toWireMessage(aMessageCreated(), { requestId: `request-${id}` }, new Date('2026-11-22T10:00:00.000Z')),
  returns: 0,
  ...facts,
});

/** What every journal promises. */
export const journalContract = (name: string, start: () => Promise<JournalUnderTest>): void => {
  describe(`${name} as a journal`, () => {
    let under: JournalUnderTest;
    let journal: JournalPort;
    beforeEach(async () => {
      under = await start();
      ({ journal } = under);
    });
    afterEach(() => under.stop());

    const add = (...added: JournalEntry[]) => journal.write({ added, removed: [] });
    const idsIn = async (queue = 'embedding.messages', after = 0, limit = 100) =>
      (await journal.read(queue, after, limit)).map(({ id }) => id);

    it('an empty journal has nothing', async () => {
      expect(await journal.open(NO_ONE)).toEqual({ lastId: 0, counts: new Map() });
      expect(await idsIn()).toEqual([]);
    });

    it('a journal gives back each entry as it was, whatever its headers and bytes hold', async () => {
      await journal.open(NO_ONE);
      const odd: WireMessage = {
        id: undefined,
        type: 'no.such.type',
        publishedAt: undefined,
        headers: { text: 'a \u0000 "quote" \\ ü', count: 7, yes: true, table: { nested: [1, null] } },
        body: Buffer.from([0, 255, 92, 39, 10, 13]),
      };
      const entries = [anEntry(1, { returns: 2, dueAt: new Date('2026-11-22T10:00:02.123Z') }), anEntry(2, { message: odd })];
      await add(...entries);
      expect(await journal.read('embedding.messages', 0, 10)).toEqual(entries);
    });

    it('a journal reads one queue in the order of its ids, from an id on, as many as asked for', async () => {
      await journal.open(NO_ONE);
      await add(...[1, 2, 3, 5, 8].map((id) => anEntry(id)), anEntry(4, { queue: 'scoring.messages' }));
      expect([await idsIn(), await idsIn('embedding.messages', 2), await idsIn('embedding.messages', 1, 2)]).toEqual([
        [1, 2, 3, 5, 8],
        [3, 5, 8],
        [2, 3],
      ]);
      expect([await idsIn('scoring.messages'), await idsIn('no.such.queue')]).toEqual([[4], []]);
    });

    it('a journal takes entries away, also while it takes others in, and does not mind what is gone', async () => {
      await journal.open(NO_ONE);
      const [first, second] = [anEntry(1), anEntry(2)];
      await add(first, second);
      await journal.write({ added: [anEntry(3)], removed: [first] });
      await journal.write({ added: [], removed: [first, second] });
      await journal.write({ added: [], removed: [] });
      expect(await idsIn()).toEqual([3]);
    });

    it('a later process finds what was left, and counts a return for what may have been in hand', async () => {
      await journal.open(NO_ONE);
      await add(...[1, 2, 3].map((id) => anEntry(id)), anEntry(9, { queue: 'scoring.messages.dlq' }));
      const later = under.again();
      const state = await later.open(new Map([['embedding.messages', 2]]));
      expect(state).toEqual({
        lastId: 9,
        counts: new Map([
          ['embedding.messages', 3],
          ['scoring.messages.dlq', 1],
        ]),
      });
      expect((await later.read('embedding.messages', 0, 10)).map(({ returns }) => returns)).toEqual([1, 1, 0]);
    });

    it('what a process that stopped in order has left counts no return, and counts one when the next process is killed', async () => {
      await journal.open(NO_ONE);
      await add(anEntry(1));
      await journal.close();
      for (const [later, returns] of [
        [under.again(), 0],
        [under.again(), 1],
      ] as const) {
        expect(await later.open(new Map([['embedding.messages', 5]]))).toEqual({ lastId: 1, counts: new Map([['embedding.messages', 1]]) });
        expect(await later.read('embedding.messages', 0, 10)).toMatchObject([{ returns }]);
      }
    });

    it('a read of large entries returns some of them, and the next one the others', async () => {
      await journal.open(NO_ONE);
      const large = (id: number) => anEntry(id, { message: { ...anEntry(id).message, body: Buffer.alloc(1_000_000, id) } });
      await add(...[1, 2, 3, 4, 5, 6, 7, 8].map(large));
      const seen: number[] = [];
      for (let page = await idsIn(); page.length > 0; page = await idsIn('embedding.messages', page.at(-1))) seen.push(...page);
      expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    });
  });
};
