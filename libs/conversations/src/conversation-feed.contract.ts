import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { ChangesPosition, ConversationFeedPort } from './conversation-feed.port.js';
import type { Message } from './message.js';
import type { StoresSetup } from './message-store.contract.js';

/** A feed and the stores that fill what it reads. */
export interface FeedSetup extends StoresSetup {
  readonly feed: ConversationFeedPort;
}

const BEGINNING: ChangesPosition = { at: new Date(0), id: '00000000-0000-0000-0000-000000000000' };

/** What every feed promises. */
export const conversationFeedContract = (make: () => Promise<FeedSetup>): void => {
  describe('a conversation feed', () => {
    let setup: FeedSetup;
    let feed: ConversationFeedPort;
    beforeEach(async () => {
      setup = await make();
      ({ feed } = setup);
    });
    afterEach(async () => setup.close?.());

    const started = async (creatorId: string, ...memberIds: string[]): Promise<string> =>
      (await setup.conversations.create({ title: null, creatorId, memberIds })).id;
    const say = async (conversationId: string, content: string, senderId = 'alice'): Promise<Message> =>
      (await setup.messages.store({ conversationId, senderId, content, priority: 'normal' })).message;
    const sayMany = (conversationId: string, count: number, content = 'hello') =>
      Promise.all(Array.from({ length: count }, () => say(conversationId, content)));

    it('tells the conversations of many users at once, each with the version of its members, up to a limit per user', async () => {
      const [one, two, three] = [await started('alice', 'bob'), await started('alice'), await started('carol')];
      await setup.conversations.addMember(two, 'alice', 'dave');
      const found = await feed.memberships(['alice', 'bob', 'stranger'], 10);
      expect(new Map(found.get('alice')?.map(({ conversationId, membersVersion }) => [conversationId, membersVersion]))).toEqual(
        new Map([
          [one, 0],
          [two, 1],
        ]),
      );
      expect(found.get('bob')).toEqual([{ conversationId: one, membersVersion: 0 }]);
      expect([found.size, JSON.stringify([...found]).includes(three)]).toEqual([2, false]);
      expect((await feed.memberships(['alice'], 1)).get('alice')).toHaveLength(1);
      expect(new Set(await feed.allMemberships('alice'))).toEqual(new Set(found.get('alice')));
      expect(await feed.allMemberships('stranger')).toEqual([]);
    });

    it('tells head and version of the members of conversations, and leaves out those that it does not know', async () => {
      const [one, two] = [await started('alice'), await started('alice')];
      await sayMany(one, 3);
      await setup.conversations.addMember(two, 'alice', 'bob');
      const states = await feed.states([one, two, newId()]);
      expect(new Map(states.map(({ id, ...state }) => [id, state]))).toEqual(
        new Map([
          [one, { headSeq: 3, membersVersion: 0 }],
          [two, { headSeq: 0, membersVersion: 1 }],
        ]),
      );
    });

    it('tells which of some users are members', async () => {
      const id = await started('alice', 'bob', 'carol');
      await setup.conversations.removeMember(id, 'alice', 'bob');
      const found = await feed.members(id, ['alice', 'bob', 'mallory']);
      expect(found).toEqual({ memberIds: new Set(['alice']), membersVersion: 1 });
      expect(await feed.members(newId(), ['alice'])).toBeUndefined();
    });

    it('gives the messages after a position in order, in their newest version, deleted ones among them', async () => {
      const id = await started('alice');
      const [, second, third] = [await say(id, '1'), await say(id, '2'), await say(id, '3')];
      await setup.messages.edit({ id: second.id, actor: 'alice' }, 'two');
      await setup.messages.delete({ id: third.id, actor: 'alice' });
      const page = await feed.page(id, 1);
      expect(page).toMatchObject({ headSeq: 3, membersVersion: 0 });
      expect(page?.messages).toMatchObject([
        { seq: 2, content: 'two', version: 2 },
        { seq: 3, content: '', version: 2, deletedAt: expect.any(Date) },
      ]);
      expect(await feed.page(id, 3)).toEqual({ messages: [], headSeq: 3, membersVersion: 0 });
      expect(await feed.page(newId(), 0)).toBeUndefined();
    });

    it('ends a page at 200 messages, and at about a megabyte', async () => {
      const [short, long] = [await started('alice'), await started('alice')];
      await sayMany(short, 201);
      expect((await feed.page(short, 0))?.messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
      await sayMany(long, 30, 'ế'.repeat(16_384));
      const page = await feed.page(long, 0);
      expect([page?.messages.length, page?.headSeq]).toEqual([21, 30]);
    });

    it('gives what was edited or deleted since a position, oldest change first, up to a seq', async () => {
      const [id, other] = [await started('alice'), await started('alice')];
      const messages = [];
      for (let i = 1; i <= 4; i += 1) messages.push(await say(id, `${i}`));
      const [first, second, , fourth] = messages;
      const foreign = await say(other, 'elsewhere');
      await setup.messages.delete({ id: fourth?.id ?? '', actor: 'alice' });
      await setup.messages.edit({ id: second?.id ?? '', actor: 'alice' }, 'two');
      await setup.messages.edit({ id: foreign.id, actor: 'alice' }, 'not asked for');
      const all = await feed.changes([id], { after: BEGINNING });
      expect(new Set(all.messages.map(({ seq, content }) => [seq, content]))).toEqual(
        new Set([
          [4, ''],
          [2, 'two'],
        ]),
      );
      expect((await feed.changes([id], { after: BEGINNING, throughSeq: 3 })).messages.map(({ seq }) => seq)).toEqual([2]);
      const { next } = all;
      expect(next).toBeDefined();
      if (next === undefined) return;
      expect(await feed.changes([id], { after: next })).toEqual({ messages: [], next: undefined });
      await setup.messages.edit({ id: first?.id ?? '', actor: 'alice' }, 'one');
      const later = await feed.changes([id, other], { after: { at: new Date(next.at.getTime() - 60_000), id: BEGINNING.id } });
      expect(new Set(later.messages.map(({ content }) => content))).toEqual(new Set(['', 'two', 'one', 'not asked for']));
    });

    it('gives many changes in pages that neither repeat nor skip', async () => {
      const id = await started('alice');
      const messages = await sayMany(id, 230);
      for (const { id: messageId } of messages) await setup.messages.delete({ id: messageId, actor: 'alice' });
      const seen: number[] = [];
      for (let after: ChangesPosition | undefined = BEGINNING; after !== undefined; ) {
        const page: Awaited<ReturnType<ConversationFeedPort['changes']>> = await feed.changes([id], { after });
        expect(page.messages.length).toBeLessThanOrEqual(200);
        seen.push(...page.messages.map(({ seq }) => seq));
        after = page.next;
      }
      expect(seen.sort((one, another) => one - another)).toEqual(Array.from({ length: 230 }, (_, i) => i + 1));
    });

    it('tells who of some users became a member of what lately, and where the conversation stood about then', async () => {
      const id = await started('alice');
      await sayMany(id, 3);
      await setup.conversations.addMember(id, 'alice', 'bob');
      await setup.conversations.addMember(id, 'alice', 'carol');
      const { joinings, at } = await feed.joinings(['bob', 'dave'], undefined);
      expect(joinings).toEqual([{ conversationId: id, userId: 'bob' }]);
      expect(await feed.joinings(['bob'], new Date(at.getTime() + 60_000))).toMatchObject({ joinings: [] });
      await sayMany(id, 2);
      expect(await feed.seqAtJoining({ conversationId: id, userId: 'bob' })).toBeLessThanOrEqual(3);
      expect(await feed.seqAtJoining({ conversationId: id, userId: 'mallory' })).toBeUndefined();
    });

    it('tells to whom a user matters: its conversations of 2 to 100 members', async () => {
      const crowd = Array.from({ length: 100 }, (_, i) => `member-${i}`);
      const [small] = [await started('alice', 'bob'), await started('alice', ...crowd), await started('alice')];
      const hundred = await started('alice', ...crowd.slice(1));
      const found = await feed.audiences(['alice', 'stranger']);
      expect([found.size, new Set(found.get('alice'))]).toEqual([1, new Set([small, hundred])]);
    });
  });
};
