import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import type { MessageStorePort } from '#lib/conversations/message-store.port';
import type { CurrentConversationsPort, CurrentScore } from './current-conversations.port.js';

/** A view of what is committed, and the stores that commit. */
export interface CommittedConversations {
  readonly current: CurrentConversationsPort;
  readonly messages: MessageStorePort;
  readonly conversations: ConversationStorePort;
  /** Stores what scoring would: an end and its change, or without a change that its analysis failed. */
  readonly scored: (score: CurrentScore) => Promise<void>;
  readonly stop?: () => Promise<void>;
}

/** What every source of current conversations promises. */
export function currentConversationsContract(name: string, make: () => Promise<CommittedConversations>): void {
  let made: CommittedConversations;

  describe(`${name} as the truth about conversations`, () => {
    beforeAll(async () => {
      made = await make();
    });
    afterAll(async () => made.stop?.());

    const started = async (...memberIds: string[]) => (await made.conversations.create({ title: null, creatorId: 'alice', memberIds })).id;
    const say = async (conversationId: string, content = 'Sáng mai') =>
      (await made.messages.store({ conversationId, senderId: 'alice', content, priority: 'normal', metadata: { mood: 'good' } })).message;

    it('knows the messages that there are, each with the version of the members', async () => {
      const conversationId = await started('bob');
      const [plain, edited, deleted] = [await say(conversationId), await say(conversationId), await say(conversationId)];
      await made.messages.edit({ id: edited.id, actor: 'alice' }, 'newer');
      await made.messages.delete({ id: deleted.id, actor: 'alice' });
      await made.conversations.addMember(conversationId, 'alice', 'carol');
      const found = await made.current.messages([plain.id, edited.id, deleted.id, newId()]);
      expect(found.size).toBe(3);
      expect(found.get(plain.id)).toEqual({ ...plain, membersVersion: 1 });
      expect(found.get(edited.id)).toMatchObject({ content: 'newer', version: 2, editedAt: expect.any(Date), membersVersion: 1 });
      expect(found.get(deleted.id)).toMatchObject({ content: '', version: 2, deletedAt: expect.any(Date), metadata: undefined });
      expect(await made.current.messages([])).toEqual(new Map());
    });

    it('knows how users stand to conversations, and nothing of conversations that do not exist', async () => {
      const conversationId = await started('bob');
      await say(conversationId);
      await made.conversations.recordReceipt(conversationId, 'bob', { readSeq: 1 });
      await made.conversations.addMember(conversationId, 'alice', 'carol');
      await made.conversations.removeMember(conversationId, 'alice', 'carol');
      const keys = ['bob', 'carol', 'mallory'].map((userId) => ({ conversationId, userId }));
      const shared = { conversationId, headSeq: 1, membersVersion: 2, isLarge: false };
      const found = await made.current.memberships([...keys, { conversationId: newId(), userId: 'bob' }]);
      expect(found.toSorted((one, other) => (one.userId < other.userId ? -1 : 1))).toEqual([
        { ...shared, userId: 'bob', isMember: true, deliveredSeq: 1, readSeq: 1 },
        { ...shared, userId: 'carol', isMember: false, deliveredSeq: 0, readSeq: 0 },
        { ...shared, userId: 'mallory', isMember: false, deliveredSeq: 0, readSeq: 0 },
      ]);
    });

    it.each([
      [100, false],
      [101, true],
    ])('calls a conversation of %i members large: %s', async (count, isLarge) => {
      const conversationId = await started(...Array.from({ length: count - 1 }, (_, i) => `user-${i}`));
      expect(await made.current.memberships([{ conversationId, userId: 'alice' }])).toMatchObject([{ isLarge }]);
    });

    it('knows all members of conversations, however many are asked for', async () => {
      const ids = await Promise.all(Array.from({ length: 45 }, (_, i) => started(`user-${i}`)));
      const found = await made.current.members([...ids, newId()]);
      expect(
        new Map(found.map(({ conversationId, ...facts }) => [conversationId, { ...facts, userIds: facts.userIds.toSorted() }])),
      ).toEqual(new Map(ids.map((id, i) => [id, { membersVersion: 0, headSeq: 0, userIds: ['alice', `user-${i}`] }])));
    });

    it('knows scores by end, user and version, and nothing of those that were never committed', async () => {
      const updatedAt = new Date('2026-01-31T09:30:00.000Z').toISOString();
      const facts = { conversationId: 'chat-1', level: 'acquaintance', degraded: false, updatedAt } as const;
      const first = { endId: newId(), userId: 'alice', scoreChange: 100, score: 100, version: 1, ...facts };
      const second = { ...first, endId: newId(), scoreChange: 12, score: 112, version: 2 };
      const degraded = { ...second, endId: newId(), userId: 'bob', scoreChange: 0, score: 150, degraded: true, version: 1 };
      for (const score of [first, second, degraded]) await made.scored(score);
      const keyOf = ({ endId, userId, version }: CurrentScore) => ({ endId, userId, version });
      const found = await made.current.scores([second, first, degraded].map(keyOf));
      expect(found.toSorted((one, other) => one.score - other.score)).toEqual([first, second, degraded]);
      const forged = [
        { ...first, version: 2 },
        { ...first, version: 3 },
        { ...first, userId: 'bob' },
        { ...first, endId: newId() },
        { ...degraded, version: 2 },
      ];
      expect(await made.current.scores(forged.map(keyOf))).toEqual([]);
      expect(await made.current.scores([])).toEqual([]);
    });
  });
}
