import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { MessageSignal, MessageSignalsPort } from './message-signals.port.js';

const SIGNALS = { language: 'vi', isQuestion: true, emotion: 'happy', length: 17 } as const;

/** A row about a message of its own. */
const aSignal = (facts: Partial<MessageSignal> = {}): MessageSignal => {
  const state = facts.state ?? 'scored';
  const signals = state === 'scored' ? SIGNALS : undefined;
  return { messageId: newId(), version: 1, conversationId: newId(), userId: 'alice', seq: 1, state, signals, ...facts };
};

/** What every store of signals promises. The store may be shared: each test has messages of its own. */
export function messageSignalsContract(
  name: string,
  make: () => Promise<{ signals: MessageSignalsPort; stop?: () => Promise<void> }>,
): void {
  let signals: MessageSignalsPort;
  let stop: (() => Promise<void>) | undefined;
  const held = async (messageId: string) => (await signals.of([messageId])).get(messageId);

  describe(`${name} as the signals of messages`, () => {
    beforeAll(async () => ({ signals, stop } = await make()));
    afterAll(async () => stop?.());

    it('knows what was recorded, and nothing else', async () => {
      const rows = [aSignal(), aSignal({ version: 3, state: 'removed', seq: 2 ** 40 }), aSignal({ state: 'failed' })];
      await signals.record(rows);
      const found = await signals.of([...rows.map(({ messageId }) => messageId), newId()]);
      expect(rows.map(({ messageId }) => found.get(messageId))).toEqual(rows);
      expect(found.size).toBe(3);
      await signals.record([]);
      expect(await signals.of([])).toEqual(new Map());
    });

    it('knows the first message that was scored, which is none before the first', async () => {
      const { signals: own, stop: end } = await make();
      try {
        const before = await own.firstRecorded();
        const [edited = '', older = '', newer = ''] = [newId(), newId(), newId()].sort(); // of one millisecond
        await own.record([aSignal({ messageId: newer }), aSignal({ messageId: edited, version: 2 }), aSignal({ messageId: older })]);
        // A shared store has rows of earlier tests, which are older.
        expect(await own.firstRecorded()).toBe(before ?? older);
      } finally {
        await end?.();
      }
    });

    it.each<[string, Partial<MessageSignal>, Partial<MessageSignal>, boolean]>([
      ['a newer version in place of an older one', { version: 1 }, { version: 2 }, true],
      ['a deletion in place of a text', { version: 1 }, { version: 2, state: 'removed' }, true],
      ['no text in place of its later deletion', { version: 2, state: 'removed' }, { version: 1 }, false],
      ['no older version in place of a newer one that failed', { version: 2, state: 'failed' }, { version: 1 }, false],
      ['signals in place of the failure of the same version', { state: 'failed' }, { state: 'scored' }, true],
      ['no failure in place of the signals of the same version', { state: 'scored' }, { state: 'failed' }, false],
      ['the failure of a newer version', { version: 1 }, { version: 2, state: 'failed' }, true],
    ])('takes %s, one after another and in one call', async (_, first, second, isTaken) => {
      const [row, later] = [aSignal(first), aSignal(second)];
      const same = ({ messageId, conversationId }: MessageSignal, signal: MessageSignal) => ({ ...signal, messageId, conversationId });
      await signals.record([row]);
      await signals.record([same(row, later)]);
      expect(await held(row.messageId)).toEqual(isTaken ? same(row, later) : row);
      const other = aSignal(first);
      await signals.record([other, same(other, later)]);
      expect(await held(other.messageId)).toEqual(isTaken ? same(other, later) : other);
    });

    it('takes batches that share messages at the same time', async () => {
      const rows = Array.from({ length: 50 }, () => aSignal());
      const batch = (version: number, order: readonly MessageSignal[]) => signals.record(order.map((row) => ({ ...row, version })));
      await Promise.all(Array.from({ length: 8 }, (_, i) => batch(i + 1, i % 2 === 0 ? rows : rows.toReversed())));
      const found = await signals.of(rows.map(({ messageId }) => messageId));
      expect(new Set([...found.values()].map(({ version }) => version))).toEqual(new Set([8]));
    });
  });
}
