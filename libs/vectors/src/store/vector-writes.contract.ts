import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { VectorWritesPort } from './vector-writes.port.js';

/** What every intent log promises; `make` gives an empty one. */
export function vectorWritesContract(name: string, make: () => Promise<{ writes: VectorWritesPort; stop?: () => Promise<void> }>): void {
  let writes: VectorWritesPort;
  let stop: (() => Promise<void>) | undefined;
  const all = () => writes.unsettled(0, 0, 100);
  const only = async () => {
    const [write] = await all();
    if (write === undefined) throw new Error('no write is noted');
    return write;
  };

  describe(`${name} as an intent log`, () => {
    beforeAll(async () => ({ writes, stop } = await make()));
    afterAll(async () => stop?.());
    beforeEach(async () => {
      for (const { id } of await all()) await writes.end(id);
    });

    it('knows the writes that were begun and did not end, oldest first', async () => {
      const messageIds = [newId(), newId()];
      const first = await writes.begin(messageIds);
      const ended = await writes.begin([newId()]);
      const last = await writes.begin([newId()]);
      await writes.end(ended);
      await writes.end(newId());
      expect((await all()).map(({ id }) => id)).toEqual([first, last]);
      expect((await all())[0]).toEqual({ id: first, messageIds, checks: 0 });
      expect(await writes.unsettled(0, 0, 1)).toHaveLength(1);
    });

    it('leaves alone what is young, and for a while what was just checked', async () => {
      await writes.begin([newId()]);
      expect(await writes.unsettled(60_000, 0, 100)).toEqual([]);
      await writes.checked(await only(), false);
      expect(await writes.unsettled(0, 60_000, 100)).toEqual([]);
      expect(await all()).toMatchObject([{ checks: 0 }]);
    });

    it('forgets a write whose messages were in step twice in a row', async () => {
      await writes.begin([newId()]);
      for (const [isInStep, checks] of [
        [true, 1],
        [false, 0],
        [true, 1],
      ] as const) {
        await writes.checked(await only(), isInStep);
        expect(await all()).toMatchObject([{ checks }]);
      }
      await writes.checked(await only(), true);
      expect(await all()).toEqual([]);
    });

    it('counts one of two checks that were made at once', async () => {
      await writes.begin([newId()]);
      const write = await only();
      await Promise.all([1, 2].map(() => writes.checked(write, true)));
      expect(await all()).toMatchObject([{ checks: 1 }]);
    });
  });
}
