import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConversationCreated, MemberAdded, MemberRemoved, type ParleyEvent, ReceiptRecorded } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import { eventually } from '#lib/testing/eventually';
import { pick, seededRandom } from '#lib/testing/random';
import type { ConversationDraft, ConversationStorePort, StartedConversation } from './conversation-store.port.js';
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

    const created = (creatorId: string, memberIds: string[] = [], title: string | null = null): Promise<StartedConversation> =>
      conversations.create({ title, creatorId, memberIds });
    const say = (conversationId: string, senderId: string, content = 'hello') =>
      setup.messages.store({ conversationId, senderId, content, priority: 'normal' });
    const membersOf = async (id: string, reader = 'alice') => (await conversations.find(id, reader))?.memberIds;

    it('makes a conversation of which the creator is always a member, once', async () => {
      const conversation = await created('alice', ['bob', 'alice', 'bob'], 'Cà phê');
      expect(conversation).toMatchObject({ title: 'Cà phê', creatorId: 'alice', memberIds: ['alice', 'bob'], headSeq: 0 });
      expect({ ...conversation, ...(await conversations.find(conversation.id, 'bob')) }).toEqual(conversation);
    });

    describe('an idempotency key', () => {
      const start = (facts: Partial<ConversationDraft> = {}) =>
        conversations.create({ title: 'Cà phê', creatorId: 'alice', memberIds: ['bob', 'carol'], key: 'key-1', ...facts });

      it('answers a repeated start with what was answered first, whatever became of the conversation', async () => {
        const first = await start();
        expect(first.replayed).toBe(false);
        await say(first.id, 'alice');
        await conversations.removeMember(first.id, 'alice', 'bob');
        const again = await start({ memberIds: ['carol', 'alice', 'bob', 'bob'] });
        expect(again).toEqual({ ...first, event: undefined, replayed: true });
        expect((await conversations.list('alice', { limit: 10 })).items).toHaveLength(1);
      });

      it.each([
        ['title', { title: 'Trà' }],
        ['no title', { title: null }],
        ['members', { memberIds: ['bob'] }],
      ])('refuses another body: %s', async (_what, change) => {
        await start();
        await expect(start(change)).rejects.toMatchObject({ name: 'ProblemError', code: 'idempotency-key-reused' });
      });

      it('makes one conversation of 20 concurrent starts', async () => {
        const started = await Promise.all(Array.from({ length: 20 }, () => start()));
        expect(started.filter(({ replayed }) => !replayed)).toHaveLength(1);
        expect(new Set(started.map(({ id, createdAt }) => `${id} ${createdAt.toISOString()}`)).size).toBe(1);
        expect((await conversations.list('alice', { limit: 10 })).items).toHaveLength(1);
      });

      it('belongs to one creator', async () => {
        const ids = await Promise.all(['alice', 'dave'].map(async (creatorId) => (await start({ creatorId })).id));
        expect(new Set(ids).size).toBe(2);
      });
    });

    describe('the quota of a day', () => {
      it('ends the starts of one user, and of no other', async () => {
        const limited = setup.limited({ conversationsPerDay: 2, additionsPerDay: 0 });
        const start = (creatorId: string, key?: string) => limited.create({ title: null, creatorId, memberIds: ['bob'], key });
        const first = await start('alice', 'key-1');
        await start('alice');
        await expect(start('alice')).rejects.toMatchObject({ code: 'rate-limited', retryAfterSeconds: expect.any(Number) });
        await expect(start('alice', 'key-2')).rejects.toMatchObject({ code: 'rate-limited' });
        expect(await start('alice', 'key-1')).toEqual({ ...first, event: undefined, replayed: true });
        await start('dave');
        expect((await conversations.list('alice', { limit: 10 })).items).toHaveLength(2);
        expect(await limited.addMember(first.id, 'alice', 'eve')).toBeDefined();
      });

      it('ends the additions of one user, counted with the members of its starts', async () => {
        const limited = setup.limited({ conversationsPerDay: 0, additionsPerDay: 3 });
        const { id } = await limited.create({ title: null, creatorId: 'alice', memberIds: ['alice', 'bob', 'carol'] });
        expect(await limited.addMember(id, 'alice', 'bob')).toBeDefined(); // is there already
        expect(await limited.addMember(id, 'alice', 'dave')).toBeDefined();
        await expect(limited.addMember(id, 'alice', 'eve')).rejects.toMatchObject({ code: 'rate-limited' });
        await expect(limited.create({ title: null, creatorId: 'alice', memberIds: ['eve'] })).rejects.toMatchObject({
          code: 'rate-limited',
        });
        await expect(limited.create({ title: null, creatorId: 'dave', memberIds: ['1', '2', '3', '4'] })).rejects.toMatchObject({
          code: 'rate-limited',
        });
        expect(await limited.addMember(id, 'bob', 'eve')).toBeDefined();
        expect(await membersOf(id)).toEqual(['alice', 'bob', 'carol', 'dave', 'eve']);
      });
    });

    it('hides a conversation from users who are no members', async () => {
      const { id } = await created('alice');
      expect(await conversations.find(id, 'mallory')).toBeUndefined();
      expect(await conversations.find(newId(), 'alice')).toBeUndefined();
      expect(await conversations.addMember(id, 'mallory', 'mallory')).toBeUndefined();
      expect(await conversations.recordReceipt(id, 'mallory', { readSeq: 1 })).toBeUndefined();
      await expect(conversations.removeMember(id, 'mallory', 'alice')).rejects.toMatchObject({ code: 'not-found' });
      expect(await conversations.visibleTo('mallory')).toEqual({ ids: [], isCut: false });
    });

    it('says which users are in a conversation with a reader, now', async () => {
      const [me, friend, former, other] = [newId(), newId(), newId(), newId()];
      const { id } = await created(me, [friend, former]);
      await created(other, [friend]);
      await conversations.removeMember(id, me, former);

      expect(await conversations.sharingWith(me, [me, friend, former, other, 'unknown'])).toEqual(new Set([me, friend]));
      expect(await conversations.sharingWith(friend, [me, former, other])).toEqual(new Set([me, other]));
      expect(await conversations.sharingWith(former, [me, friend])).toEqual(new Set());
      expect(await conversations.sharingWith(me, [])).toEqual(new Set());
    });

    describe('members', () => {
      it('are added by any member, any number of times', async () => {
        const { id } = await created('alice', ['bob']);
        expect(await conversations.addMember(id, 'bob', 'carol')).toBeDefined();
        expect(await conversations.addMember(id, 'carol', 'carol')).toBeDefined();
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

      it('that left on their own are not added by others, and come back themselves', async () => {
        const { id } = await created('alice', ['bob', 'carol']);
        await conversations.removeMember(id, 'bob', 'bob');
        for (const actor of ['alice', 'carol'])
          await expect(conversations.addMember(id, actor, 'bob')).rejects.toMatchObject({ name: 'ProblemError', code: 'forbidden' });
        expect(await membersOf(id)).toEqual(['alice', 'carol']);
        expect(await conversations.addMember(id, 'bob', 'bob')).toBeDefined();
        expect(await membersOf(id, 'bob')).toEqual(['alice', 'bob', 'carol']);
        await conversations.removeMember(id, 'bob', 'bob');
        await conversations.removeMember(id, 'alice', 'bob'); // takes the way back, too
        expect(await conversations.addMember(id, 'bob', 'bob')).toBeUndefined();
        await expect(conversations.addMember(id, 'carol', 'bob')).rejects.toMatchObject({ code: 'forbidden' });
      });

      it('that the creator removed are added again by others, and do not come back themselves', async () => {
        const { id } = await created('alice', ['bob', 'carol']);
        await conversations.removeMember(id, 'alice', 'bob');
        expect(await conversations.addMember(id, 'bob', 'bob')).toBeUndefined();
        expect(await conversations.addMember(id, 'carol', 'bob')).toBeDefined();
        expect(await membersOf(id)).toEqual(['alice', 'bob', 'carol']);
      });

      it('see nothing once they have left', async () => {
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
        expect(await conversations.addMember(id, 'alice', 'user-7')).toBeDefined();
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
        const { replayed: _replayed, event: _event, ...started } = second;
        expect(items[1]).toEqual({ ...started, readSeq: 0, unread: 0, lastMessage: null });
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
        expect(await conversations.visibleTo('alice')).toEqual({ ids: seen, isCut: false });
      });

      it('comes in pages of about a megabyte, however long the last messages are', async () => {
        const ids: string[] = [];
        // One after another: 40 at once wait for few connections, and those left behind by one that is refused would meet the next test.
        for (let i = 0; i < 40; i += 1) {
          const { id } = await created('alice');
          await say(id, 'alice', 'ế'.repeat(16_384));
          ids.push(id);
        }
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

    describe('announcing', () => {
      const announced = async (): Promise<ParleyEvent[]> => (await setup.announced()).map(({ event }) => event);
      const headers = { requestId: 'r-1' };

      it('writes the start of a conversation to the outbox, with all members, once', async () => {
        const start = { title: null, creatorId: 'alice', memberIds: ['bob'], key: 'key-1', headers };
        const { id, event } = await conversations.create(start);
        await conversations.create(start);
        expect(ConversationCreated.parse(event).data).toEqual({ conversationId: id, memberIds: ['alice', 'bob'], membersVersion: 0 });
        expect(await setup.announced()).toEqual([{ event, headers }]);
      });

      it('writes each change of the members to the outbox with the next version, and nothing for what was so already', async () => {
        const { id } = await created('alice', ['bob']);
        await say(id, 'alice');
        const added = await conversations.addMember(id, 'alice', 'carol', headers);
        expect(await conversations.addMember(id, 'alice', 'carol')).toEqual({});
        const removed = await conversations.removeMember(id, 'alice', 'bob', headers);
        expect(await conversations.removeMember(id, 'alice', 'bob')).toEqual({});
        const left = await conversations.removeMember(id, 'carol', 'carol');
        expect(MemberAdded.parse(added?.event).data).toEqual({ conversationId: id, userId: 'carol', headSeq: 1, membersVersion: 1 });
        expect(MemberRemoved.parse(removed.event).data).toEqual({ conversationId: id, userId: 'bob', membersVersion: 2 });
        expect(left.event?.data).toEqual({ conversationId: id, userId: 'carol', membersVersion: 3 });
        const changes = (await setup.announced()).filter(({ event }) => event.type.startsWith('member.'));
        expect(changes).toEqual([
          { event: added?.event, headers },
          { event: removed.event, headers },
          { event: left.event, headers: {} },
        ]);
      });

      it('writes one event for one user that 10 calls add at once, and a version for each of 10 users', async () => {
        const { id } = await created('alice');
        const same = await Promise.all(Array.from({ length: 10 }, () => conversations.addMember(id, 'alice', 'bob')));
        expect(same.filter((change) => change?.event !== undefined)).toHaveLength(1);
        const others = await Promise.all(Array.from({ length: 10 }, (_, i) => conversations.addMember(id, 'alice', `user-${i}`)));
        const versions = others.map((change) => change?.event?.data.membersVersion ?? 0).sort((one, other) => one - other);
        expect(versions).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        expect((await announced()).filter(({ type }) => type === 'member.added')).toHaveLength(11);
      });

      it('writes nothing for a change that is refused', async () => {
        const { id } = await created('alice', ['bob']);
        await conversations.addMember(id, 'mallory', 'mallory');
        await expect(conversations.removeMember(id, 'bob', 'alice')).rejects.toMatchObject({ code: 'forbidden' });
        await conversations.recordReceipt(id, 'mallory', { readSeq: 1 });
        expect((await announced()).map(({ type }) => type)).toEqual(['conversation.created']);
      });

      it('writes a receipt that raises something to the outbox with both numbers, and no other', async () => {
        const { id } = await created('alice', ['bob']);
        for (let i = 0; i < 3; i += 1) await say(id, 'alice');
        const first = await conversations.recordReceipt(id, 'bob', { deliveredSeq: 3, readSeq: 1 }, headers);
        expect(await conversations.recordReceipt(id, 'bob', { deliveredSeq: 2, readSeq: 1 })).toEqual({});
        const second = await conversations.recordReceipt(id, 'bob', { readSeq: 99 });
        expect(ReceiptRecorded.parse(first?.event).data).toEqual({ conversationId: id, userId: 'bob', deliveredSeq: 3, readSeq: 1 });
        expect(second?.event?.data).toEqual({ conversationId: id, userId: 'bob', deliveredSeq: 3, readSeq: 3 });
        const receipts = (await setup.announced()).filter(({ event }) => event.type === 'receipt.recorded');
        expect(receipts).toEqual([
          { event: first?.event, headers },
          { event: second?.event, headers: {} },
        ]);
      });
    });

    describe('unread messages', () => {
      const unreadOf = async (reader: string) => (await conversations.list(reader, { limit: 1 })).items[0]?.unread;

      it('are those of others after what was read that are not deleted', async () => {
        const { id } = await created('alice', ['bob']);
        const sent = [await say(id, 'alice'), await say(id, 'bob'), await say(id, 'alice'), await say(id, 'alice')];
        expect([await unreadOf('bob'), await unreadOf('alice')]).toEqual([3, 1]);
        await setup.messages.delete({ id: sent[3]?.message.id ?? '', actor: 'alice' });
        expect(await unreadOf('bob')).toBe(2);
        await conversations.recordReceipt(id, 'bob', { readSeq: 1 });
        expect(await unreadOf('bob')).toBe(1);
        await conversations.recordReceipt(id, 'bob', { readSeq: 4 });
        expect(await unreadOf('bob')).toBe(0);
      });

      it('are counted up to 1,000, and right after any order of sends, receipts, edits and deletions', async () => {
        const { id } = await created('alice', ['bob', 'carol']);
        const people = ['alice', 'bob', 'carol'];
        const random = seededRandom(9);
        const read = new Map(people.map((person) => [person, 0]));
        const sent: { id: string; seq: number; senderId: string; isDeleted: boolean }[] = [];
        for (let step = 0; step < 120; step += 1) {
          const person = pick(random, people);
          const mine = sent.filter(({ senderId, isDeleted }) => senderId === person && !isDeleted);
          switch (mine.length === 0 ? 'send' : pick(random, ['send', 'send', 'read', 'edit', 'delete'] as const)) {
            case 'send': {
              const { message } = await say(id, person);
              sent.push({ id: message.id, seq: message.seq, senderId: person, isDeleted: false });
              break;
            }
            case 'read': {
              const readSeq = Math.floor(random() * (sent.length + 5));
              await conversations.recordReceipt(id, person, { readSeq });
              read.set(person, Math.max(read.get(person) ?? 0, Math.min(readSeq, sent.length)));
              break;
            }
            case 'edit':
              await setup.messages.edit({ id: pick(random, mine).id, actor: person }, 'edited');
              break;
            case 'delete': {
              const gone = pick(random, mine);
              await setup.messages.delete({ id: gone.id, actor: person });
              gone.isDeleted = true;
            }
          }
          const expected = sent.filter(
            ({ seq, senderId, isDeleted }) => seq > (read.get(person) ?? 0) && senderId !== person && !isDeleted,
          ).length;
          expect({ step, person, unread: await unreadOf(person) }).toEqual({ step, person, unread: expected });
        }
        await Promise.all(Array.from({ length: 1_005 }, () => say(id, 'alice')));
        expect(await unreadOf('bob')).toBe(1_000);
      });
    });

    describe('receipts', () => {
      it('only ever rise, and never beyond the head', async () => {
        const { id } = await created('alice', ['bob']);
        for (let i = 0; i < 5; i += 1) await say(id, 'alice');
        const readSeq = async () => (await conversations.list('bob', { limit: 1 })).items[0]?.readSeq;
        expect(await conversations.recordReceipt(id, 'bob', { deliveredSeq: 4, readSeq: 2 })).toBeDefined();
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
