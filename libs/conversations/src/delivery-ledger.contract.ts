import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { DeliveryEntry, DeliveryLedgerPort } from './delivery-ledger.port.js';

/** What every ledger of deliveries promises. The ledger may be shared: each test has messages of its own. */
export function deliveryLedgerContract(
  name: string,
  make: () => Promise<{ ledger: DeliveryLedgerPort; stop?: () => Promise<void> }>,
): void {
  let ledger: DeliveryLedgerPort;
  let stop: (() => Promise<void>) | undefined;
  const entry = (facts: Partial<DeliveryEntry> = {}): DeliveryEntry => ({ messageId: newId(), version: 1, state: 'delivered', ...facts });
  const heldFor = async (messageId: string) => (await ledger.entriesOf([messageId])).get(messageId);

  describe(`${name} as a ledger of deliveries`, () => {
    beforeAll(async () => ({ ledger, stop } = await make()));
    afterAll(async () => stop?.());

    it('knows what was recorded, and nothing else', async () => {
      const entries = [entry(), entry({ version: 3 }), entry({ state: 'failed' })];
      await ledger.record(entries);
      const found = await ledger.entriesOf([...entries.map(({ messageId }) => messageId), newId()]);
      expect(entries.map(({ messageId }) => found.get(messageId))).toEqual(entries);
      expect(found.size).toBe(3);
      await ledger.record([]);
      expect(await ledger.entriesOf([])).toEqual(new Map());
    });

    it('knows the first message that was recorded, which is none before the first', async () => {
      const { ledger: own, stop: end } = await make();
      try {
        const before = await own.firstRecorded();
        const [edited = '', older = '', newer = ''] = [newId(), newId(), newId()].sort(); // of one millisecond
        await own.record([entry({ messageId: newer }), entry({ messageId: edited, version: 2 }), entry({ messageId: older })]);
        // A shared ledger has entries of earlier tests, which are older.
        expect(await own.firstRecorded()).toBe(before ?? older);
        expect(before === undefined || before < older).toBe(true);
      } finally {
        await end?.();
      }
    });

    it.each<[string, Partial<DeliveryEntry>, Partial<DeliveryEntry>, boolean]>([
      ['a newer version in place of an older one', { version: 1 }, { version: 2 }, true],
      ['no older version in place of a newer one', { version: 2 }, { version: 1 }, false],
      ['no older version in place of a newer one that failed', { version: 2, state: 'failed' }, { version: 1 }, false],
      ['a delivery in place of the failure of the same version', { state: 'failed' }, { state: 'delivered' }, true],
      ['no failure in place of the delivery of the same version', { state: 'delivered' }, { state: 'failed' }, false],
      ['the failure of a newer version', { version: 1 }, { version: 2, state: 'failed' }, true],
    ])('takes %s, one after another and in one call', async (_, first, second, isTaken) => {
      const held = entry(first);
      const later = { ...held, ...second };
      await ledger.record([held]);
      await ledger.record([later]);
      expect(await heldFor(held.messageId)).toEqual(isTaken ? later : held);
      const [other, itsLater] = [{ ...held, messageId: newId() }, { ...later }];
      await ledger.record([other, { ...itsLater, messageId: other.messageId }]);
      expect(await heldFor(other.messageId)).toEqual({ ...(isTaken ? later : held), messageId: other.messageId });
    });

    it('takes batches that share messages at the same time', async () => {
      const ids = Array.from({ length: 50 }, () => newId());
      const batch = (version: number, order: readonly string[]) => ledger.record(order.map((messageId) => entry({ messageId, version })));
      await Promise.all(Array.from({ length: 8 }, (_, i) => batch(i + 1, i % 2 === 0 ? ids : [...ids].reverse())));
      expect(new Set([...(await ledger.entriesOf(ids)).values()].map(({ version }) => version))).toEqual(new Set([8]));
    });
  });
}
