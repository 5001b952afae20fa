import { beforeEach, describe, expect, it } from 'vitest';
import type { InboxPort } from '#lib/bus/consume/run/inbox.port';
import { newId } from '#lib/contracts/ids';
import { eventually } from '#lib/testing/eventually';

/** An inbox that can also forget. */
export type PrunedInbox = InboxPort & { prune(olderThanMs: number): Promise<number> };

/** What every inbox promises. */
export const inboxContract = (make: () => Promise<PrunedInbox>): void => {
  describe('an inbox', () => {
    let inbox: PrunedInbox;
    beforeEach(async () => {
      inbox = await make();
    });

    it('tells what a consumer has not handled yet', async () => {
      const [handled, fresh] = [newId(), newId()];
      await inbox.remember('delivery.messages', [handled]);
      expect(await inbox.unseen('delivery.messages', [handled, fresh])).toEqual(new Set([fresh]));
    });

    it('remembers per consumer', async () => {
      const id = newId();
      await inbox.remember('delivery.messages', [id]);
      expect(await inbox.unseen('scoring.messages', [id])).toEqual(new Set([id]));
    });

    it('does not mind remembering twice, or nothing', async () => {
      const id = newId();
      await inbox.remember('delivery.messages', [id, id]);
      await inbox.remember('delivery.messages', [id]);
      await inbox.remember('delivery.messages', []);
      expect(await inbox.unseen('delivery.messages', [id])).toEqual(new Set());
      expect(await inbox.unseen('delivery.messages', [])).toEqual(new Set());
    });

    it('forgets what is old enough', async () => {
      const id = newId();
      await inbox.remember('delivery.messages', [id]);
      expect(await inbox.prune(60_000)).toBe(0);
      await eventually(async () => expect(await inbox.prune(10)).toBe(1));
      expect(await inbox.unseen('delivery.messages', [id])).toEqual(new Set([id]));
    });
  });
};
