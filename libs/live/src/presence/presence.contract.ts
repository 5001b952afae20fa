import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { ABSENT_MS, type PresenceChange, type PresencePort } from './presence.port.js';

/** What every presence promises inside one process. `make` gives one that no other test uses. */
export function presenceContract(name: string, make: () => Promise<{ presence: PresencePort; stop?: () => Promise<void> }>): void {
  let presence: PresencePort;
  let stop: (() => Promise<void>) | undefined;
  const changes: PresenceChange[] = [];
  const changesOf = (userId: string) => changes.filter((change) => change.userId === userId).map(({ online }) => online);
  const isOnline = async (userId: string) => (await presence.of([userId])).get(userId)?.online;

  describe(`${name} as presence`, () => {
    beforeAll(async () => {
      ({ presence, stop } = await make());
      presence.onChange((some) => changes.push(...some));
    });
    afterAll(async () => stop?.());

    it('counts the sessions of a user', async () => {
      const [alice, bob] = [randomUUID(), randomUUID()];

      expect(await presence.enter(alice, 'a1')).toBe(1);
      expect(await presence.enter(alice, 'a2')).toBe(2);
      expect(await presence.enter(bob, 'b1')).toBe(1);
      await presence.leave(alice, 'a1');
      expect(await presence.enter(alice, 'a3')).toBe(2);
    });

    it('counts a session that enters twice once, and one that leaves twice or never came not at all', async () => {
      const alice = randomUUID();

      await presence.enter(alice, 'a1');
      expect(await presence.enter(alice, 'a1')).toBe(1);
      await presence.leave(alice, 'unknown');
      await presence.leave(randomUUID(), 'unknown');
      expect(await presence.enter(alice, 'a2')).toBe(2);
      await presence.leave(alice, 'a1');
      await presence.leave(alice, 'a1');
      expect(await presence.enter(alice, 'a3')).toBe(2);
    });

    it('gives each of many that enter at once its own place', async () => {
      const alice = randomUUID();

      const counts = await Promise.all(Array.from({ length: 12 }, (_, i) => presence.enter(alice, `a${i}`)));

      expect(counts).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    });

    it('forgets when a user was last seen', async () => {
      const [alice, bob] = [randomUUID(), randomUUID()];
      for (const user of [alice, bob]) {
        await presence.enter(user, 's1');
        await presence.leave(user, 's1');
      }
      await eventually(async () => expect((await presence.of([alice])).get(alice)?.lastSeenAt).toBeInstanceOf(Date));

      expect(await presence.forget(alice)).toBe(true);
      expect(await presence.forget(alice)).toBe(false);
      const known = await presence.of([alice, bob]);
      expect(known.get(alice)?.lastSeenAt).toBeNull();
      expect(known.get(bob)?.lastSeenAt).toBeInstanceOf(Date);
    });

    it('says who is online and when a user was last seen', async () => {
      const [alice, bob, stranger] = [randomUUID(), randomUUID(), randomUUID()];
      await presence.enter(alice, 'a1');
      await presence.enter(bob, 'b1');
      const before = Date.now();
      await presence.leave(bob, 'b1');

      await eventually(async () => expect(await isOnline(bob)).toBe(false));
      const known = await presence.of([alice, bob, stranger]);

      expect(known.size).toBe(3);
      expect(known.get(alice)).toEqual({ online: true, lastSeenAt: null });
      expect(known.get(stranger)).toEqual({ online: false, lastSeenAt: null });
      const lastSeenAt = known.get(bob)?.lastSeenAt?.getTime() ?? 0;
      expect(lastSeenAt).toBeGreaterThanOrEqual(before - 5);
      expect(lastSeenAt).toBeLessThan(before + ABSENT_MS); // not when the second is over in which bob may come back
    });

    it('answers about no user and about hundreds', async () => {
      const users = Array.from({ length: 700 }, () => randomUUID());
      await Promise.all(users.map((userId) => presence.enter(userId, 's')));

      expect((await presence.of([])).size).toBe(0);
      expect([...(await presence.of(users)).values()].every(({ online }) => online)).toBe(true);
    });

    it('announces that a user came and went, once each', async () => {
      const alice = randomUUID();

      await presence.enter(alice, 'a1');
      await presence.enter(alice, 'a2');
      await eventually(() => expect(changesOf(alice)).toEqual([true]));
      await presence.leave(alice, 'a1');
      await presence.leave(alice, 'a2');

      await eventually(() => expect(changesOf(alice)).toEqual([true, false]));
    });

    it('announces nothing of a user that comes back within a second', async () => {
      const [alice, bob] = [randomUUID(), randomUUID()];
      await presence.enter(alice, 'a1');
      await presence.enter(bob, 'b1');
      await eventually(() => expect(changesOf(alice)).toEqual([true]));

      await presence.leave(alice, 'a1');
      await presence.leave(bob, 'b1');
      await pause(200); // the time that alice is away
      expect(await presence.enter(alice, 'a2')).toBe(1);

      await eventually(() => expect(changesOf(bob)).toEqual([true, false]));
      expect(changesOf(alice)).toEqual([true]);
      expect(await isOnline(alice)).toBe(true);
    });
  });
}
