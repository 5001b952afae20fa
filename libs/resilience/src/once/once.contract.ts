import { describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import type { OncePort } from './once.port.js';

/** Longer than two questions take on a busy machine. */
const SHORT_MS = 1_000;

/** What every adapter promises. @param pair two processes that share a store, or the same one twice. */
export function onceContract(name: string, pair: () => Promise<readonly [OncePort, OncePort]>): void {
  describe(`${name}, once`, () => {
    it('lets one of many take a key', async () => {
      const [one, other] = await pair();
      const taken = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? one : other).take('a card', 60_000)));
      expect(taken.filter(Boolean)).toHaveLength(1);
    });

    it('keeps keys apart', async () => {
      const [one, other] = await pair();
      expect([await one.take('a P1', 60_000), await other.take('a P0', 60_000)]).toEqual([true, true]);
    });

    it('gives a key again when its time is over', async () => {
      const [one, other] = await pair();
      expect(await one.take('short', SHORT_MS)).toBe(true);
      expect(await other.take('short', SHORT_MS)).toBe(false);
      await eventually(async () => expect(await other.take('short', SHORT_MS)).toBe(true));
    });

    it('gives it to whichever asks when its time is over, though both asked before', async () => {
      const [one, other] = await pair();
      expect([await one.take('again', SHORT_MS), await other.take('again', 60_000)]).toEqual([true, false]);
      const both = async () => [await other.take('again', 60_000), await one.take('again', SHORT_MS)];
      await eventually(async () => expect(await both()).toContain(true));
    });
  });
}
