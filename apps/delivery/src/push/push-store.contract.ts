import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ConversationId, newId, type UserId } from '#lib/contracts/ids';
import type { PushStorePort, RegisteredDevice } from './push-store.port.js';

/** A message of a conversation of this suite, in the order of its seq. */
export interface SeededMessage {
  readonly senderId: UserId;
  readonly content: string;
  readonly isDeleted?: boolean;
}

/** A push store, and ways to fill what it reads. */
export interface PushStoreSetup {
  readonly store: PushStorePort;
  readonly addConversation: (conversation: {
    id: ConversationId;
    title: string | null;
    readSeqs: Readonly<Record<UserId, number>>;
    messages: readonly SeededMessage[];
  }) => Promise<void>;
  readonly addDevice: (userId: UserId, id: string, device: RegisteredDevice) => Promise<void>;
  readonly clear: () => Promise<void>;
  readonly close?: () => Promise<void>;
}

/** What every push store promises. */
export function pushStoreContract(name: string, make: () => Promise<PushStoreSetup>): void {
  describe(`${name} as what is known about pushes`, () => {
    let setup: PushStoreSetup;
    let store: PushStorePort;
    let conversationId: ConversationId;
    beforeAll(async () => {
      setup = await make();
      ({ store } = setup);
    });
    afterAll(async () => setup.close?.());
    beforeEach(async () => {
      await setup.clear();
      conversationId = newId();
    });

    const started = (readSeqs: Record<UserId, number>, messages: readonly SeededMessage[] = [], title: string | null = null) =>
      setup.addConversation({ id: conversationId, title, readSeqs, messages });
    const phone = (userId: UserId, id = 'phone') => setup.addDevice(userId, id, { provider: 'fcm', token: `${userId}-${id}` });
    const said = (senderId: UserId, content: string, isDeleted = false): SeededMessage => ({ senderId, content, isDeleted });
    const stateOf = async (seq: number, userId = 'bob') => (await store.statesOf([{ conversationId, seq, userId, deviceId: 'phone' }]))[0];

    it('lists the devices of members other than the sender', async () => {
      await started({ alice: 0, bob: 1, dave: 0 });
      for (const user of ['alice', 'bob', 'mallory']) await phone(user);
      await phone('bob', 'tablet');
      const { devices, next } = await store.devicesOf([{ conversationId, senderId: 'alice' }], undefined);
      expect(devices.map(({ userId, deviceId }) => `${userId}/${deviceId}`).sort()).toEqual(['bob/phone', 'bob/tablet']);
      expect([new Set(devices.map((device) => device.conversationId)), next]).toEqual([new Set([conversationId]), undefined]);
    });

    it('knows what a push would show: the newest message of others that is not deleted', async () => {
      const messages = [said('alice', 'one'), said('alice', 'two'), said('carol', 'three', true), said('bob', 'my own')];
      await started({ alice: 0, bob: 0, carol: 0 }, messages, 'Cà phê');
      await phone('bob');
      const shown = { messageId: expect.any(String), seq: 2, senderId: 'alice', beginning: 'two' };
      const device = { provider: 'fcm', token: 'bob-phone' };
      expect(await stateOf(1)).toEqual({ device, readSeq: 0, title: 'Cà phê', shown });
      expect(await stateOf(2)).toMatchObject({ shown });
      expect(await stateOf(3)).toMatchObject({ device, shown: undefined });
    });

    it('knows what the member has read, and that a device or a membership is gone', async () => {
      await started({ alice: 0, bob: 1 }, [said('alice', 'one')]);
      expect(await stateOf(1)).toMatchObject({ device: undefined, readSeq: 1 });
      await phone('carol');
      expect(await stateOf(1, 'carol')).toMatchObject({ device: { token: 'carol-phone' }, readSeq: undefined });
    });

    it('answers in the order of the question, also about conversations that are not there', async () => {
      await started({ alice: 0, bob: 0 }, [said('alice', 'one')]);
      await phone('bob');
      const push = { seq: 1, userId: 'bob', deviceId: 'phone' };
      const states = await store.statesOf([
        { ...push, conversationId: newId() },
        { ...push, conversationId },
        { ...push, conversationId: newId() },
      ]);
      expect(states.map(({ readSeq, shown }) => [readSeq, shown?.seq])).toEqual([
        [undefined, undefined],
        [0, 1],
        [undefined, undefined],
      ]);
      expect(await store.statesOf([])).toEqual([]);
    });

    it('removes a device only while it has the token that is of no use', async () => {
      await started({ bob: 0 });
      await phone('bob');
      await store.removeDevice('bob', 'phone', { provider: 'fcm', token: 'an older one' });
      await store.removeDevice('bob', 'phone', { provider: 'onesignal', token: 'bob-phone' });
      expect(await stateOf(1)).toMatchObject({ device: { token: 'bob-phone' } });
      await store.removeDevice('bob', 'phone', { provider: 'fcm', token: 'bob-phone' });
      expect(await stateOf(1)).toMatchObject({ device: undefined });
    });
  });
}
