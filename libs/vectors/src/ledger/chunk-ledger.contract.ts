import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { ChunkLedgerPort, LedgerEntry } from './chunk-ledger.port.js';

/** What every ledger promises. The ledger may be shared: each test has messages of its own. */
export function chunkLedgerContract(name: string, make: () => Promise<{ ledger: ChunkLedgerPort; stop?: () => Promise<void> }>): void {
  let ledger: ChunkLedgerPort;
  let stop: (() => Promise<void>) | undefined;
  const entry = (facts: Partial<LedgerEntry> = {}): LedgerEntry => ({
    messageId: newId(),
    version: 1,
    chunkCount: 1,
    model: 'local-lexical-v1',
    state: 'indexed',
    ...facts,
  });
  const heldFor = async (messageId: string) => (await ledger.entriesOf([messageId])).get(messageId);

  describe(`${name} as a ledger`, () => {
    beforeAll(async () => ({ ledger, stop } = await make()));
    afterAll(async () => stop?.());

    it('knows what was recorded, and nothing else', async () => {
      const entries = [entry(), entry({ version: 3, chunkCount: 17 }), entry({ state: 'removed', chunkCount: 0, version: 2 })];
      expect(await ledger.record(entries)).toEqual([]);
      const found = await ledger.entriesOf([...entries.map(({ messageId }) => messageId), newId()]);
      expect([...found.values()].sort(byId)).toEqual([...entries].sort(byId));
      expect([...found.keys()].sort()).toEqual(entries.map(({ messageId }) => messageId).sort());
    });

    it('answers nothing to nothing', async () => {
      expect(await ledger.entriesOf([])).toEqual(new Map());
      expect(await ledger.record([])).toEqual([]);
    });

    it('takes a newer version in place of an older one', async () => {
      const first = entry();
      const second = { ...first, version: 2, chunkCount: 4 };
      await ledger.record([first]);
      expect(await ledger.record([second])).toEqual([]);
      expect(await heldFor(first.messageId)).toEqual(second);
    });

    it('refuses an older version, says so, and takes its neighbours', async () => {
      const newer = entry({ version: 3, state: 'removed', chunkCount: 0 });
      const neighbour = entry();
      await ledger.record([newer]);
      expect(await ledger.record([{ ...newer, version: 2, state: 'indexed' }, neighbour])).toEqual([newer.messageId]);
      expect(await heldFor(newer.messageId)).toEqual(newer);
      expect(await heldFor(neighbour.messageId)).toEqual(neighbour);
    });

    it('takes the same version again: another model, other chunks', async () => {
      const before = entry();
      const after = { ...before, model: 'another-model', chunkCount: 2 };
      await ledger.record([before]);
      expect(await ledger.record([after])).toEqual([]);
      expect(await heldFor(before.messageId)).toEqual(after);
    });

    it.each(['indexed', 'removed'] as const)('does not let a failure hide that the same version is %s', async (state) => {
      const done = entry({ state });
      await ledger.record([done]);
      expect(await ledger.record([{ ...done, state: 'failed' }])).toEqual([done.messageId]);
      expect(await heldFor(done.messageId)).toEqual(done);
    });

    it('lets a success follow a failure, and a failure of a newer version follow a success', async () => {
      const failed = entry({ state: 'failed', chunkCount: 0 });
      const indexed = { ...failed, state: 'indexed' as const, chunkCount: 1 };
      const failedLater = { ...failed, version: 2 };
      await ledger.record([failed]);
      expect(await ledger.record([failed])).toEqual([]);
      expect(await ledger.record([indexed])).toEqual([]);
      expect(await ledger.record([failedLater])).toEqual([]);
      expect(await heldFor(failed.messageId)).toEqual(failedLater);
    });

    it('lets an older version take the place of the false one that it names, and of no other', async () => {
      const forged = entry({ version: 2_147_483_647, state: 'removed', chunkCount: 0 });
      const real = { ...forged, version: 3, state: 'indexed' as const, chunkCount: 2 };
      await ledger.record([forged]);
      expect(await ledger.record([real])).toEqual([forged.messageId]);
      expect(await ledger.record([{ ...real, insteadOf: 5 }])).toEqual([forged.messageId]);
      expect(await ledger.record([{ ...real, insteadOf: forged.version }])).toEqual([]);
      expect(await heldFor(forged.messageId)).toEqual(real);
      expect(await ledger.record([{ ...real, version: 2, insteadOf: forged.version }])).toEqual([forged.messageId]);
      expect(await heldFor(forged.messageId)).toEqual(real);
    });

    it('takes the newest of several versions in one call, in any order', async () => {
      const first = entry();
      const [second, third] = [
        { ...first, version: 2 },
        { ...first, version: 3 },
      ];
      expect(await ledger.record([second, third, first])).toEqual([]);
      expect(await heldFor(first.messageId)).toEqual(third);
    });

    it('ends at the newest version however many write at once', async () => {
      const messages = Array.from({ length: 20 }, () => entry());
      const versions = Array.from({ length: 10 }, (_, i) => i + 1);
      await Promise.all(
        versions.map((version) =>
          // Each writer in an order of its own: row locks taken in the order of the call would deadlock.
          ledger.record((version % 2 === 0 ? messages : [...messages].reverse()).map((message) => ({ ...message, version }))),
        ),
      );
      const held = await ledger.entriesOf(messages.map(({ messageId }) => messageId));
      expect([...held.values()].map(({ version }) => version)).toEqual(messages.map(() => 10));
    });
  });
}

const byId = (one: LedgerEntry, other: LedgerEntry) => (one.messageId < other.messageId ? -1 : 1);
