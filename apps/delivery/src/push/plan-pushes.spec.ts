import { beforeEach, describe, expect, it, vi } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { type Presence, PresencePort } from '#lib/live/presence/presence.port';
import { DependencyError } from '#lib/resilience/call/errors';
import { MemoryPushStore } from '../adapters/push/memory-push-store.js';
import { type CreatedMessage, PlanPushes } from './plan-pushes.js';
import type { MemberDevice } from './push-store.port.js';

/** Says who is online, or fails like Redis. */
class ScriptedPresence extends PresencePort {
  readonly online = new Set<string>();
  readonly askedAtOnce: number[] = [];
  failure: Error | undefined;

  async enter(): Promise<number> {
    return 1;
  }
  async leave(): Promise<void> {}
  onChange(): void {}
  async forget(): Promise<boolean> {
    return false;
  }

  async of(userIds: readonly string[]): Promise<ReadonlyMap<string, Presence>> {
    this.askedAtOnce.push(userIds.length);
    if (this.failure !== undefined) throw this.failure;
    return new Map(userIds.map((userId) => [userId, { online: this.online.has(userId), lastSeenAt: null }]));
  }
}

describe('PlanPushes', () => {
  let store: MemoryPushStore;
  let presence: ScriptedPresence;
  let plan: PlanPushes;
  beforeEach(() => {
    store = new MemoryPushStore();
    presence = new ScriptedPresence();
    plan = new PlanPushes(store, presence);
  });

  const conversationOf = (...users: string[]) => {
    const id = newId();
    store.conversations.set(id, { title: null, readSeqs: new Map(users.map((user) => [user, 0])), messages: [] });
    return id;
  };
  const device = (userId: string, id = 'phone') =>
    store.devices.set(userId, (store.devices.get(userId) ?? new Map()).set(id, { provider: 'fcm', token: `${userId}-${id}` }));
  const message = (conversationId: string, seq: number, facts: Partial<CreatedMessage> = {}): CreatedMessage => ({
    id: newId(),
    conversationId,
    seq,
    senderId: 'alice',
    createdAt: new Date(),
    ...facts,
  });
  const dueOn = async (messages: readonly CreatedMessage[]) =>
    (await plan.for(messages)).map(({ data }) => `${data.userId}/${data.deviceId} ${data.seq}`).sort();

  it('a push is due on each device of each member who is offline, and not on those of the sender', async () => {
    const id = conversationOf('alice', 'bob', 'carol', 'dave');
    for (const user of ['alice', 'bob', 'carol']) device(user);
    device('bob', 'tablet');
    presence.online.add('carol');
    expect(await dueOn([message(id, 1)])).toEqual(['bob/phone 1', 'bob/tablet 1']);
  });

  it('a burst makes one push for each conversation, for its newest message', async () => {
    const [one, other] = [conversationOf('alice', 'bob'), conversationOf('alice', 'bob')];
    device('bob');
    const burst = [message(one, 3), message(one, 5), message(other, 9), message(one, 4)];
    expect(await dueOn(burst)).toEqual(['bob/phone 5', 'bob/phone 9']);
  });

  it('deleted and old messages make none, and older ones of the batch take their place', async () => {
    const id = conversationOf('alice', 'bob');
    device('bob');
    expect(await dueOn([message(id, 1), message(id, 2, { deletedAt: new Date() })])).toEqual(['bob/phone 1']);
    expect(await dueOn([message(id, 3, { createdAt: new Date(Date.now() - 3_600_001) })])).toEqual([]);
  });

  it('all members count as offline while presence is not known', async () => {
    const id = conversationOf('alice', 'bob');
    device('bob');
    presence.online.add('bob');
    presence.failure = new DependencyError('redis', 'presence', 'timeout');
    expect(await dueOn([message(id, 1)])).toEqual(['bob/phone 1']);
    presence.failure = new TypeError('a bug');
    await expect(plan.for([message(id, 2)])).rejects.toThrow('a bug');
  });

  it('the same batch names the same events again', async () => {
    const id = conversationOf('alice', 'bob');
    device('bob');
    const batch = [message(id, 1)];
    const idsOf = async () => (await plan.for(batch)).map(({ eventId }) => eventId);
    expect(await idsOf()).toEqual(await idsOf());
  });

  it('presence is asked for in parts, and not at all without devices', async () => {
    const users = Array.from({ length: 2_500 }, (_, i) => `user-${i}`);
    const id = conversationOf('alice', ...users);
    expect(await dueOn([message(id, 1, { senderId: 'user-0' })])).toEqual([]);
    expect(presence.askedAtOnce).toEqual([]);
    for (const user of users) device(user);
    expect(await dueOn([message(id, 2)])).toHaveLength(2_500);
    expect(presence.askedAtOnce).toEqual([1_000, 1_000, 500]);
  });

  it('a large conversation is left alone for a moment after its pushes, a small one is not', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'Date'] });
    try {
      const users = Array.from({ length: 1_500 }, (_, i) => `user-${i}`);
      const [large, small] = [conversationOf('alice', ...users), conversationOf('alice', 'user-1')];
      for (const user of users) device(user);
      expect(await dueOn([message(large, 1), message(small, 1)])).toHaveLength(1_501);
      expect(await dueOn([message(large, 2), message(small, 2)])).toEqual(['user-1/phone 2']);
      vi.advanceTimersByTime(5_999);
      expect(await dueOn([message(large, 3)])).toEqual([]);
      vi.advanceTimersByTime(2);
      expect(await dueOn([message(large, 3)])).toHaveLength(1_500);
    } finally {
      vi.useRealTimers();
    }
  });

  it('a conversation without a device is asked about once in a second, for each sender', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'Date'] });
    try {
      const asked = vi.spyOn(store, 'devicesOf');
      const id = conversationOf('alice', 'bob');
      device('alice');
      expect(await dueOn([message(id, 1)])).toEqual([]);
      expect(await dueOn([message(id, 2)])).toEqual([]);
      expect(asked).toHaveBeenCalledTimes(1);
      expect(await dueOn([message(id, 3, { senderId: 'bob' })])).toEqual(['alice/phone 3']);
      device('bob');
      vi.advanceTimersByTime(1_001);
      expect(await dueOn([message(id, 4)])).toEqual(['bob/phone 4']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('a conversation of very many devices takes no push from the others of its batch', async () => {
    const [large, small] = [conversationOf('alice'), conversationOf('alice', 'bob')].toSorted() as [string, string];
    const crowd = Array.from({ length: 2_000 }, (_, i) => ({ conversationId: large, userId: `user-${i}`, deviceId: 'phone' }));
    const place = { conversationId: large, userId: 'user-1999' };
    vi.spyOn(store, 'devicesOf').mockImplementation(async (asked) =>
      asked.some(({ conversationId }) => conversationId === large)
        ? ({ devices: crowd, next: place } as never)
        : { devices: [{ conversationId: small, userId: 'bob', deviceId: 'phone' }], next: undefined },
    );
    const due = await plan.for([message(large, 1), message(small, 1)]);
    expect(due.filter(({ data }) => data.conversationId === small)).toHaveLength(1);
    expect(due.length).toBeLessThan(14_000);
  });

  it('a batch that would never end is cut short', async () => {
    const id = conversationOf('alice');
    const endless = vi.spyOn(store, 'devicesOf').mockImplementation(async () => {
      const devices: MemberDevice[] = [{ conversationId: id, userId: 'bob', deviceId: 'phone' }];
      return { devices, next: { conversationId: id, userId: 'bob' } } as never;
    });
    await plan.for([message(id, 1)]);
    expect(endless).toHaveBeenCalledTimes(50);
  });
});
