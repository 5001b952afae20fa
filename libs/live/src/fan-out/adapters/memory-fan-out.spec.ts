import { expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { eventually } from '#lib/testing/eventually';
import { Heard } from '#lib/testing/heard-signals';
import { fanOutContract } from '../fan-out.contract.js';
import { MemoryFanOut } from './memory-fan-out.js';

fanOutContract('MemoryFanOut', async () => {
  const fanOut = new MemoryFanOut();
  return { fanOut, subscribe: async () => fanOut.subscribe() };
});

it('a subscription in memory that is not complete brings what this process publishes and is never live', async () => {
  const fanOut = new MemoryFanOut();
  const subscription = fanOut.subscribe({ isComplete: false });
  const heard = new Heard();
  subscription.listen(heard);
  const conversationId = newId();
  await subscription.follow({ conversations: [conversationId] });

  await fanOut.publish([{ conversationId, signals: [{ type: 'typing', userId: 'alice' }] }]);

  await eventually(() => expect(heard.ofConversation(conversationId)).toHaveLength(1));
  expect(subscription.isLive).toBe(false);
});

it('a subscription in memory that is lost on demand misses what is published meanwhile', async () => {
  const fanOut = new MemoryFanOut();
  const subscription = fanOut.subscribe();
  const heard = new Heard();
  subscription.listen(heard);
  await subscription.follow({ users: ['alice'] });
  const joined = (headSeq: number) => [{ userId: 'alice', signals: [{ type: 'joined' as const, conversationId: newId(), headSeq }] }];

  subscription.lose();
  await fanOut.publish(joined(1));
  await new Promise(setImmediate);
  subscription.restore();
  await fanOut.publish(joined(2));

  await eventually(() => expect(heard.ofUser('alice')).toMatchObject([{ headSeq: 2 }]));
  expect([heard.lostCount, heard.restoredCount]).toEqual([1, 1]);
});
