import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import type { MessageStorePort } from '#lib/conversations/message-store.port';
import type { CurrentConversationsPort } from './current-conversations.port.js';

/** A view of what is committed, and the stores that commit. */
export interface CommittedConversations {
  readonly current: CurrentConversationsPort;
  readonly messages: MessageStorePort;
  readonly conversations: ConversationStorePort;
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
  });
}
