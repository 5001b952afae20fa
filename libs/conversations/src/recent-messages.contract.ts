import { expect, it } from 'vitest';
import type { StoresSetup } from './message-store.contract.js';
import type { RecentMessagesPort } from './recent-messages.port.js';

/** What every list of recent messages promises. */
export const recentMessagesContract = (make: () => Promise<StoresSetup & { readonly recent: RecentMessagesPort }>): void => {
  it('the newest messages of all conversations are listed with their place, and nothing of what they say', async () => {
    const { messages, conversations, recent, close } = await make();
    const [one, other] = await Promise.all(
      ['alice', 'bob'].map((creatorId) => conversations.create({ title: null, creatorId, memberIds: [] })),
    );
    const send = async (conversationId = '', senderId = '') =>
      (await messages.store({ conversationId, senderId, content: 'a secret', priority: 'normal' })).message;
    const sent = [await send(one?.id, 'alice'), await send(one?.id, 'alice'), await send(other?.id, 'bob')];
    // Ids of one millisecond have no order of their own.
    const [last, before] = sent.toSorted((a, b) => (a.id < b.id ? 1 : -1));

    const newest = await recent.newest(2);

    expect(newest.map(({ id, conversationId, seq, version }) => [id, conversationId, seq, version])).toEqual([
      [last?.id, last?.conversationId, last?.seq, 1],
      [before?.id, before?.conversationId, before?.seq, 1],
    ]);
    expect(newest[0]?.createdAt).toEqual(last?.createdAt);
    expect(JSON.stringify(newest)).not.toContain('secret');
    await close?.();
  });
};
