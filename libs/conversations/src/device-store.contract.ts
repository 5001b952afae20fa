import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DeviceRegistration } from '#lib/contracts/push';
import { type DeviceStorePort, MAX_DEVICES } from './device-store.port.js';

/** A device store, and all that it holds. */
export interface DevicesSetup {
  readonly store: DeviceStorePort;
  readonly all: () => Promise<(DeviceRegistration & { readonly userId: string; readonly id: string })[]>;
  readonly clear: () => Promise<void>;
  readonly close?: () => Promise<void>;
}

/** What every device store promises. */
export function deviceStoreContract(name: string, make: () => Promise<DevicesSetup>): void {
  describe(`${name} as the store of devices`, () => {
    let setup: DevicesSetup;
    let store: DeviceStorePort;
    beforeAll(async () => {
      setup = await make();
      ({ store } = setup);
    });
    beforeEach(() => setup.clear());
    afterAll(async () => setup.close?.());

    const fcm = (token: string): DeviceRegistration => ({ provider: 'fcm', token });
    const held = async () => (await setup.all()).map(({ userId, id, provider, token }) => `${userId}/${id} ${provider} ${token}`).sort();

    it('keeps the newest token of a device, however often it is registered', async () => {
      for (const token of ['one', 'one', 'two']) await store.register('alice', 'phone', fcm(token));
      await store.register('alice', 'tablet', { provider: 'onesignal', token: 'two' });
      expect(await held()).toEqual(['alice/phone fcm two', 'alice/tablet onesignal two']);
    });

    it('gives a token to its newest user', async () => {
      await store.register('alice', 'phone', fcm('one'));
      await store.register('bob', 'phone', fcm('one'));
      expect(await held()).toEqual(['bob/phone fcm one']);
    });

    it('gives a token to the newest device of the same user', async () => {
      await store.register('alice', 'phone', fcm('one'));
      await store.register('alice', 'phone-reinstalled', fcm('one'));
      expect(await held()).toEqual(['alice/phone-reinstalled fcm one']);
    });

    it('removes a device of its user only, and what is not there without a word', async () => {
      await store.register('alice', 'phone', fcm('one'));
      await store.remove('bob', 'phone');
      expect(await held()).toEqual(['alice/phone fcm one']);
      await store.remove('alice', 'phone');
      await store.remove('alice', 'phone');
      expect(await held()).toEqual([]);
    });

    it('refuses one device too many, also of many at once, and changes those that are there', async () => {
      const tries = Array.from({ length: MAX_DEVICES + 5 }, (_, i) => store.register('alice', `device-${i}`, fcm(`token-${i}`)));
      const outcomes = await Promise.allSettled(tries);
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(MAX_DEVICES);
      await expect(store.register('alice', 'another', fcm('x'))).rejects.toMatchObject({ name: 'ProblemError', code: 'validation' });
      const [{ id } = { id: '' }] = await setup.all();
      await store.register('alice', id, fcm('fresh'));
      expect(await held()).toHaveLength(MAX_DEVICES);
      expect(await held()).toContain(`alice/${id} fcm fresh`);
    });

    it('counts a token that moves between two devices of a user once', async () => {
      for (let i = 0; i < MAX_DEVICES; i += 1) await store.register('alice', `device-${i}`, fcm(`token-${i}`));
      await store.register('alice', 'reinstalled', fcm('token-0'));
      expect(await held()).toHaveLength(MAX_DEVICES);
    });

    it('takes a token from another user only together with its registration', async () => {
      for (let i = 0; i < MAX_DEVICES; i += 1) await store.register('alice', `device-${i}`, fcm(`token-${i}`));
      await store.register('bob', 'phone', fcm('of-bob'));
      await expect(store.register('alice', 'another', fcm('of-bob'))).rejects.toMatchObject({ code: 'validation' });
      expect(await held()).toContain('bob/phone fcm of-bob');
    });

    it('leaves a token with one of the users who register it at the same moment', async () => {
      await Promise.all(['alice', 'bob', 'carol', 'dave'].map((user) => store.register(user, 'phone', fcm('one'))));
      expect(await held()).toHaveLength(1);
    });
  });
}
