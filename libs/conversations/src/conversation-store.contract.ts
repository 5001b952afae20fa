import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { eventually } from '#lib/testing/eventually';
import type { Conversation, ConversationStorePort } from './conversation-store.port.js';
import type { StoresSetup } from './message-store.contract.js';

/** What every conversation store promises. */
export const conversationStoreContract = (make: () => Promise<StoresSetup>): void => {
  describe('a conversation store', () => {
    let setup: StoresSetup;
    let conversations: ConversationStorePort;
    beforeEach(async () => {
      setup = await make();
      ({ conversations } = setup);
    });
    afterEach(async () => setup.close?.());

    const created = (creatorId: string, memberIds: string[] = [], title: string | null = null): Promise<Conversation> =>
      conversations.create({ title, creatorId, memberIds });
    const say = (conversationId: string, senderId: string, content = 'hello') =>
      setup.messages.store({ conversationId, senderId, content, priority: 'normal' });
    const membersOf = async (id: string, reader = 'alice') => (await conversations.find(id, reader))?.memberIds;

    it('makes a conversation of which the creator is always a member, once', async () => {
      const conversation = await created('alice', ['bob', 'alice', 'bob'], 'Cà phê');
      expect(conversation).toMatchObject({ title: 'Cà phê', creatorId: 'alice', memberIds: ['alice', 'bob'], headSeq: 0 });
      expect(await conversations.find(conversation.id, 'bob')).toEqual(conversation);
    });

    it('hides a conversation from everybody else', async () => {
      const { id } = await created('alice');
      expect(await conversations.find(id, 'mallory')).toBeUndefined();
      expect(await conversations.find(newId(), 'alice')).toBeUndefined();
      expect(await conversations.addMember(id, 'mallory', 'mallory')).toBe(false);
      expect(await conversations.recordReceipt(id, 'mallory', { readSeq: 1 })).toBe(false);
      await expect(conversations.removeMember(id, 'mallory', 'alice')).rejects.toMatchObject({ code: 'not-found' });
      expect(await conversations.visibleTo('mallory')).toEqual([]);
    });

    describe('members', () => {
      it('are added by any member, any number of times', async () => {
        const { id } = await created('alice', ['bob']);
        expect(await conversations.addMember(id, 'bob', 'carol')).toBe(true);
        expect(await conversations.addMember(id, 'carol', 'carol')).toBe(true);
        expect(await membersOf(id)).toEqual(['alice', 'bob', 'carol']);
      });

      it('are removed by the creator, or remove themselves', async () => {
        const { id } = await created('alice', ['bob', 'carol', 'dave']);
        await conversations.removeMember(id, 'alice', 'bob');
        await conversations.removeMember(id, 'carol', 'carol');
        expect(await membersOf(id)).toEqual(['alice', 'dave']);
        await conversations.removeMember(id, 'alice', 'bob');
        await expect(conversations.removeMember(id, 'dave', 'alice')).rejects.toMatchObject({ code: 'forbidden' });
        expect(await membersOf(id)).toEqual(['alice', 'dave']);
      });

      it('see nothing any more when they have left', async () => {
        const { id } = await created('alice', ['bob']);
        await conversations.removeMember(id, 'alice', 'alice');
        expect(await conversations.find(id, 'alice')).toBeUndefined();
        await expect(conversations.removeMember(id, 'alice', 'bob')).rejects.toMatchObject({ code: 'not-found' });
      });

      it('are at most 10,000', async () => {
        const { id } = await created(
          'alice',
          Array.from({ length: 9_999 }, (_, i) => `user-${i}`),
        );
        await expect(conversations.addMember(id, 'alice', 'one-too-many')).rejects.toMatchObject({ code: 'validation' });
        expect(await conversations.addMember(id, 'alice', 'user-7')).toBe(true);
        expect(await membersOf(id)).toHaveLength(10_000);
      });
    });

    describe('the list', () => {
      it('begins with the newest activity and shows the last message', async () => {
        const [first, second] = [await created('alice', ['bob'], 'first'), await created('alice', [], 'second')];
        // Times are milliseconds: a message must be later than the conversation that it overtakes.
        await eventually(async () => {
          await say(first.id, 'bob', 'Xin chào');
          expect((await conversations.list('alice', { limit: 1 })).items[0]?.id).toBe(first.id);
        });
        const { items, nextCursor } = await conversations.list('alice', { limit: 10 });
        expect(items.map(({ title }) => title)).toEqual(['first', 'second']);
        expect(items[0]).toMatchObject({ memberIds: ['alice', 'bob'], readSeq: 0, lastMessage: { content: 'Xin chào', senderId: 'bob' } });
        expect(items[0]?.lastMessage?.seq).toBe(items[0]?.headSeq);
        expect(items[1]).toEqual({ ...second, readSeq: 0, lastMessage: null });
        expect(nextCursor).toBeNull();
      });

      it('comes in pages that neither repeat nor skip', async () => {
        const ids = await Promise.all(Array.from({ length: 7 }, async () => (await created('alice')).id));
        const seen: string[] = [];
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const page = await conversations.list('alice', { limit: 3, ...(cursor === undefined ? {} : { cursor }) });
          expect(page.items.length).toBeGreaterThan(0);
          seen.push(...page.items.map(({ id }) => id));
          cursor = page.nextCursor;
        }
        expect(seen).toHaveLength(7);
        expect(new Set(seen)).toEqual(new Set(ids));
        expect(await conversations.visibleTo('alice')).toEqual(seen);
      });

      it('comes in pages of about a megabyte, however long the last messages are', async () => {
        const ids = await Promise.all(
          Array.from({ length: 40 }, async () => {
            const { id } = await created('alice');
            await say(id, 'alice', 'ế'.repeat(16_384));
            return id;
          }),
        );
        const seen: string[] = [];
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const page = await conversations.list('alice', { limit: 100, cursor });
          expect(page.items.length).toBeGreaterThan(0);
          expect(page.items.length * 49_152).toBeLessThan(1_100_000);
          seen.push(...page.items.map(({ id }) => id));
          cursor = page.nextCursor;
        }
        expect(seen).toHaveLength(40);
        expect(new Set(seen)).toEqual(new Set(ids));
      });

      it.each([
        '',
        'nonsense',
        Buffer.from('[1]').toString('base64url'),
        Buffer.from('["x","y"]').toString('base64url'),
        Buffer.from(JSON.stringify([-1, newId()])).toString('base64url'),
        Buffer.from(JSON.stringify([1e300, newId()])).toString('base64url'),
        Buffer.from(JSON.stringify([1, "' OR 1=1"])).toString('base64url'),
      ])('refuses the cursor %j', async (cursor) => {
        await created('alice');
        await expect(conversations.list('alice', { cursor, limit: 3 })).rejects.toMatchObject({ code: 'validation' });
      });

      it('takes a cursor at the far end of time', async () => {
        const cursor = Buffer.from(JSON.stringify([8_640_000_000_000_000, newId()])).toString('base64url');
        const { id } = await created('alice');
        expect((await conversations.list('alice', { cursor, limit: 3 })).items.map((item) => item.id)).toEqual([id]);
      });
    });

    describe('receipts', () => {
      it('only ever rise, and never beyond the head', async () => {
        const { id } = await created('alice', ['bob']);
        for (let i = 0; i < 5; i += 1) await say(id, 'alice');
        const readSeq = async () => (await conversations.list('bob', { limit: 1 })).items[0]?.readSeq;
        expect(await conversations.recordReceipt(id, 'bob', { deliveredSeq: 4, readSeq: 2 })).toBe(true);
        expect(await readSeq()).toBe(2);
        await conversations.recordReceipt(id, 'bob', { readSeq: 1 });
        expect(await readSeq()).toBe(2);
        await conversations.recordReceipt(id, 'bob', { deliveredSeq: 5 });
        expect(await readSeq()).toBe(2);
        await conversations.recordReceipt(id, 'bob', { readSeq: Number.MAX_SAFE_INTEGER });
        expect(await readSeq()).toBe(5);
        expect((await conversations.list('alice', { limit: 1 })).items[0]?.readSeq).toBe(0);
      });
    });
  });
};
