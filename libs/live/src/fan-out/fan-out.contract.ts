import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { ConversationSignal, UserSignal } from '#lib/contracts/live';
import { eventually } from '#lib/testing/eventually';
import { Heard } from '#lib/testing/heard-signals';
import type { FanOutPort } from './fan-out.port.js';
import type { SubscriptionPort } from './subscription.port.js';

/** One sender, and receivers as they stand in other processes. */
export interface FanOutWorld {
  readonly fanOut: FanOutPort;
  readonly subscribe: () => Promise<SubscriptionPort>;
  readonly stop?: () => Promise<void>;
}

/** What every fan-out promises together with its subscriptions. */
export function fanOutContract(name: string, make: () => Promise<FanOutWorld>): void {
  let world: FanOutWorld;

  const follower = async () => {
    const subscription = await world.subscribe();
    const heard = new Heard();
    subscription.listen(heard);
    await eventually(() => expect(subscription.isLive).toBe(true));
    return { subscription, heard };
  };
  const typing = (userId: string): ConversationSignal => ({ type: 'typing', userId });
  const joined = (headSeq: number): UserSignal => ({ type: 'joined', conversationId: newId(), headSeq });
  /** What was published before it has arrived when this has. */
  const fence = async (heard: Heard, subscription: SubscriptionPort) => {
    const userId = randomUUID();
    await subscription.follow({ users: [userId] });
    await world.fanOut.publish([{ userId, signals: [joined(1)] }]);
    await eventually(() => expect(heard.ofUser(userId)).toHaveLength(1));
  };

  describe(`${name} as fan-out`, () => {
    beforeAll(async () => {
      world = await make();
    });
    afterAll(async () => world.stop?.());

    it('takes signals to all that follow the conversation, in order, and to no other', async () => {
      const [conversationId, other] = [newId(), newId()];
      const [near, far, stranger] = [await follower(), await follower(), await follower()];
      await near.subscription.follow({ conversations: [conversationId] });
      await far.subscription.follow({ conversations: [conversationId, other] });
      await stranger.subscription.follow({ conversations: [newId()], users: ['alice'] });
      const sent = Array.from({ length: 50 }, (_, i) => typing(`user-${i}`));

      await world.fanOut.publish([
        { conversationId, signals: sent.slice(0, 20) },
        { conversationId: other, signals: [typing('bob')] },
        { conversationId, signals: sent.slice(20) },
      ]);

      for (const { subscription, heard } of [near, far, stranger]) await fence(heard, subscription);
      expect(near.heard.ofConversation(conversationId)).toEqual(sent);
      expect(near.heard.ofConversation(other)).toEqual([]);
      expect(far.heard.ofConversation(conversationId)).toEqual(sent);
      expect(far.heard.ofConversation(other)).toEqual([typing('bob')]);
      expect(stranger.heard.conversations.size).toBe(0);
    });

    it('keeps the order of posts that are published one after the other', async () => {
      const conversationId = newId();
      const { subscription, heard } = await follower();
      await subscription.follow({ conversations: [conversationId] });

      for (let i = 0; i < 20; i += 1) await world.fanOut.publish([{ conversationId, signals: [typing(`user-${i}`)] }]);

      await eventually(() => expect(heard.ofConversation(conversationId)).toHaveLength(20));
      expect(heard.ofConversation(conversationId)).toEqual(Array.from({ length: 20 }, (_, i) => typing(`user-${i}`)));
    });

    it('takes what concerns one user to those that follow the user', async () => {
      const userId = `a.b:c_d-${randomUUID()}`;
      const { subscription, heard } = await follower();
      await subscription.follow({ users: [userId] });
      const signals = [joined(7), { type: 'frame', name: 'message.indexed', frame: '{"text":"Đà Nẵng 🏖️ \\"quoted\\""}' }] as const;

      await world.fanOut.publish([{ userId, signals }]);

      await eventually(() => expect(heard.ofUser(userId)).toEqual(signals));
    });

    it('brings a signal once to a follower that followed twice', async () => {
      const conversationId = newId();
      const { subscription, heard } = await follower();
      await Promise.all([
        subscription.follow({ conversations: [conversationId] }),
        subscription.follow({ conversations: [conversationId] }),
      ]);
      await subscription.follow({ conversations: [conversationId] });

      await world.fanOut.publish([{ conversationId, signals: [typing('alice')] }]);

      await fence(heard, subscription);
      expect(heard.ofConversation(conversationId)).toHaveLength(1);
    });

    it('brings nothing more once a topic is no longer followed', async () => {
      const conversationId = newId();
      const { subscription, heard } = await follower();
      await subscription.follow({ conversations: [conversationId] });

      subscription.unfollow({ conversations: [conversationId, newId()], users: ['unknown'] });
      await fence(heard, subscription);
      await world.fanOut.publish([{ conversationId, signals: [typing('alice')] }]);

      await fence(heard, subscription);
      expect(heard.ofConversation(conversationId)).toEqual([]);
    });

    it('follows a topic that was left and taken up again in one breath', async () => {
      const conversationId = newId();
      const { subscription, heard } = await follower();
      await subscription.follow({ conversations: [conversationId] });

      subscription.unfollow({ conversations: [conversationId] });
      await subscription.follow({ conversations: [conversationId] });
      await world.fanOut.publish([{ conversationId, signals: [typing('alice')] }]);

      await eventually(() => expect(heard.ofConversation(conversationId)).toHaveLength(1));
    });

    it('brings what is published right after following, also of thousands of topics', async () => {
      const conversations = Array.from({ length: 3_000 }, () => newId());
      const { subscription, heard } = await follower();

      await Promise.all(conversations.map((conversationId) => subscription.follow({ conversations: [conversationId] })));
      await world.fanOut.publish(conversations.map((conversationId) => ({ conversationId, signals: [typing('alice')] })));

      await eventually(() => expect(heard.conversations.size).toBe(3_000));
    });

    it('takes nothing anywhere when there is nothing to take', async () => {
      const { subscription, heard } = await follower();
      await world.fanOut.publish([]);
      await world.fanOut.publish([{ userId: 'alice', signals: [] }]);
      await subscription.follow({});
      subscription.unfollow({});

      await fence(heard, subscription);
      expect(heard.users.size).toBe(1);
    });
  });
}
