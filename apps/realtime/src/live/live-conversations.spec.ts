import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import type { ResumePoint } from '#lib/contracts/socket';
import { eventually } from '#lib/testing/eventually';
import { LiveWorld, LoggedSession } from './live-world.contract.js';

const upTo = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

const nth = <T>(all: readonly T[], number: number): T => {
  const found = all[number - 1];
  if (found === undefined) throw new Error(`there are only ${all.length}`);
  return found;
};

describe('live conversations', () => {
  let world: LiveWorld;
  beforeEach(() => {
    world = new LiveWorld();
  });
  afterEach(async () => world.stop());

  type Process = ReturnType<LiveWorld['process']>;
  const joined = async (process: Process, userId: string, resume: ResumePoint[] = []): Promise<LoggedSession> => {
    const session = new LoggedSession(userId);
    await process.live.join(session, resume, () => undefined);
    return session;
  };
  const sayMany = async (id: string, count: number) => {
    const messages = [];
    for (let i = 0; i < count; i += 1) messages.push(await world.store(id, 'alice'));
    return messages;
  };
  const quiet = () => world.process({ isWatching: false });
  /** Postgres answers nothing that is asked from now on before the returned function is called. */
  const hold = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    world.postgres.hold = promise;
    return resolve;
  };
  /** Resumes; the first page is being read until the returned function is called. */
  const resumeHeld = async (process: Process, session: LoggedSession, point: ResumePoint): Promise<() => void> => {
    const release = hold();
    process.live.resume(session, point);
    await eventually(() => expect(world.postgres.statements.get('page')).toBe(1));
    return release;
  };

  describe('signals of messages', () => {
    it('reach every session of every member, in order, and no other', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const sessions = await Promise.all(['alice', 'bob', 'bob', 'mallory'].map((user) => joined(process, user)));
      for (let i = 0; i < 5; i += 1) await world.say(id, 'alice');
      await eventually(() => expect(sessions.map((session) => session.seqs(id))).toEqual([upTo(5), upTo(5), upTo(5), []]));
    });

    it('are sent once, however often and in whatever order they come within a moment', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const bob = await joined(process, 'bob');
      const signals = (await sayMany(id, 6)).map((message) => world.signalOf(message));
      // In one turn: between two of them a busy machine may take longer than the moment that is waited.
      await world.publish(id, ...[2, 1, 1, 4, 3, 6, 2, 5, 6].map((seq) => nth(signals, seq)));
      await eventually(() => expect(bob.seqs(id)).toEqual(upTo(6)));
      expect(world.postgres.statements.get('page')).toBeUndefined();
    });

    it('that were lost are read from Postgres when a later one comes', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const [alice, bob] = [await joined(process, 'alice'), await joined(process, 'bob')];
      const messages = await sayMany(id, 450);
      await world.tell(nth(messages, 450));
      await eventually(() => expect([alice.seqs(id), bob.seqs(id)]).toEqual([upTo(450), upTo(450)]));
      expect(world.postgres.statements.get('page')).toBe(3); // for both sessions
    });

    it('at the head of a burst may be missing: what follows waits, and nothing comes twice', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const bob = await joined(process, 'bob');
      const [, ...others] = await sayMany(id, 40);
      for (const message of others) await world.tell(message);
      for (let i = 0; i < 10; i += 1) await world.say(id, 'alice');
      await eventually(() => expect(bob.seqs(id)).toEqual(upTo(50)));
    });

    it('in a flood behind a gap are not kept beyond a bound', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const bob = await joined(process, 'bob');
      const release = hold();
      await world.conversations.addMember(id, 'alice', 'carol');
      const messages = await sayMany(id, 1_000);
      await world.tellMembers(id); // the members are being read: everything waits
      for (const message of messages) await world.tell(message);
      await turn();
      const held = (process.followed.get(id) as unknown as { held: { signals: unknown[]; hasOverflown: boolean } }).held;
      expect(held.signals.length).toBeLessThanOrEqual(256);
      expect([held.hasOverflown, bob.seqs(id)]).toEqual([true, []]);
      release();
      await eventually(() => expect(bob.seqs(id)).toEqual(upTo(1_000)));
    });

    it('build a frame once for a thousand local members', async () => {
      const process = quiet();
      const users = Array.from({ length: 1_000 }, (_, i) => `user-${i}`);
      const id = await world.conversation('alice', ...users);
      const sessions = await Promise.all(users.map((user) => joined(process, user)));
      await world.say(id, 'alice');
      await eventually(() => expect(sessions.filter((session) => session.raw.length === 1)).toHaveLength(1_000));
      expect(new Set(sessions.map((session) => session.raw[0]?.bytes)).size).toBe(1);
    });
  });

  describe('edits and deletions', () => {
    it('reach the sessions once, never before the message itself and never an older after a newer one', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const bob = await joined(process, 'bob');
      const first = await world.store(id, 'alice', 'one');
      const created = world.signalOf(first);
      await world.messages.edit({ id: first.id, actor: 'alice' }, 'two');
      const edited = world.signalOf(first, 'edited');
      await world.messages.edit({ id: first.id, actor: 'alice' }, 'three');
      const editedAgain = world.signalOf(first, 'edited');
      await world.messages.delete({ id: first.id, actor: 'alice' });
      const deleted = world.signalOf(first, 'deleted');
      await world.publish(id, edited, created, editedAgain, edited, editedAgain, deleted, deleted);
      await eventually(() => expect(bob.all('message.deleted')).toHaveLength(1));
      expect(bob.frames.map((frame) => ('message' in frame ? [frame.type, frame.message.version] : frame.type))).toEqual([
        ['message.created', 1],
        ['message.edited', 2],
        ['message.edited', 3],
        ['message.deleted', 4],
      ]);
      expect(bob.all('message.deleted')[0]?.message).toMatchObject({ content: '', deletedAt: expect.any(String) });
    });

    it('of a message whose own signal was lost bring the message, in its newest version', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const bob = await joined(process, 'bob');
      const message = await world.store(id, 'alice', 'one');
      await world.messages.edit({ id: message.id, actor: 'alice' }, 'two');
      await world.tell(message, 'edited');
      await eventually(() => expect(bob.all('message.created').map((frame) => frame.message.content)).toEqual(['two']));
    });

    it('that happen while a session catches up are not lost to it', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const messages = await sayMany(id, 5);
      const bob = await joined(process, 'bob');
      const release = await resumeHeld(process, bob, { conversationId: id, seq: 0 });
      await turn();
      await turn();
      await world.messages.edit({ id: nth(messages, 3).id, actor: 'alice' }, 'edited meanwhile');
      await world.tell(nth(messages, 3), 'edited');
      await turn();
      await turn();
      release();
      await eventually(() => expect(bob.all('resumed')).toHaveLength(1));
      expect(bob.all('message.created').find(({ seq }) => seq === 3)?.message.content).toBe('hello');
      expect(bob.all('message.edited').map(({ message }) => message.content)).toEqual(['edited meanwhile']);
    });

    it('that are told late, and are more than are kept for a session that catches up, are read from when they were made', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const messages = await sayMany(id, 60);
      const bob = await joined(process, 'bob');
      const release = await resumeHeld(process, bob, { conversationId: id, seq: 0 });
      await turn();
      await turn();
      const aMinuteAgo = new Date(Date.now() - 60_000);
      for (const { id: messageId, seq } of messages) {
        await world.messages.edit({ id: messageId, actor: 'alice' }, 'edited');
        const stored = nth(world.archive.conversations.get(id)?.messages ?? [], seq);
        Object.assign(stored, { editedAt: aMinuteAgo });
        await world.publish(id, { ...world.signalOf(stored, 'edited'), atMs: aMinuteAgo.getTime() });
      }
      release();
      await eventually(() => expect(bob.all('resumed')).toHaveLength(1));
      expect(bob.seqs(id)).toEqual(upTo(60));
      expect(new Set(bob.all('message.edited').map(({ seq }) => seq))).toEqual(new Set(upTo(60)));
    });

    it('that were not told yet are told by the resume that takes the place of another one', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const [first] = await sayMany(id, 3);
      const bob = await joined(process, 'bob');
      const release = await resumeHeld(process, bob, { conversationId: id, seq: 1 });
      await world.messages.edit({ id: first?.id ?? '', actor: 'alice' }, 'edited meanwhile');
      await world.publish(id, world.signalOf(nth(world.archive.conversations.get(id)?.messages ?? [], 1), 'edited'));
      await turn();
      await turn();
      process.live.resume(bob, { conversationId: id, seq: 2 });
      release();
      await eventually(() => expect(bob.all('resumed')).toHaveLength(1));
      expect(bob.all('message.edited').map(({ message }) => message.content)).toEqual(['edited meanwhile']);
    });

    it('of a message that the live sessions lack, too, are told after a page that was read before', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await sayMany(id, 3);
      const bob = await joined(process, 'bob');
      const fourth = await world.store(id, 'alice', 'before'); // its signal is lost
      const release = await resumeHeld(process, bob, { conversationId: id, seq: 0 });
      await turn();
      await turn();
      await world.messages.edit({ id: fourth.id, actor: 'alice' }, 'after');
      await world.tell(fourth, 'edited');
      await sleep(40); // the edit has waited for the message that comes before it
      release();
      await eventually(() => expect(bob.all('resumed')).toHaveLength(1));
      expect(bob.frames.flatMap((frame) => ('message' in frame && frame.seq === 4 ? [frame.message.content] : [])).at(-1)).toBe('after');
    });

    it('while the conversation had no session here are not hidden by a page that was kept', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const [first] = await sayMany(id, 3);
      const bob = await joined(process, 'bob', [{ conversationId: id, seq: 0 }]);
      await eventually(() => expect(bob.all('resumed')).toHaveLength(1));
      process.live.leave(bob);
      await world.messages.edit({ id: first?.id ?? '', actor: 'alice' }, 'edited');
      const again = await joined(process, 'bob', [{ conversationId: id, seq: 0 }]);
      await eventually(() => expect(again.all('resumed')).toHaveLength(1));
      expect(again.all('message.created')[0]?.message.content).toBe('edited');
    });

    it('whose signals were lost are found by the watch', async () => {
      const process = world.process();
      const id = await world.conversation('alice', 'bob');
      const bob = await joined(process, 'bob');
      const message = await world.say(id, 'alice');
      await eventually(() => expect(bob.seqs(id)).toEqual([1]));
      await world.messages.edit({ id: message.id, actor: 'alice' }, 'silently');
      await eventually(() => expect(bob.all('message.edited').map((frame) => frame.message.content)).toEqual(['silently']));
    });

    it('since a time are told to a session that resumes with it, beside the messages that it lacks', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const messages = await sayMany(id, 3);
      await world.messages.edit({ id: nth(messages, 1).id, actor: 'alice' }, 'edited');
      await world.messages.delete({ id: nth(messages, 3).id, actor: 'alice' });
      const changedSince = new Date().toISOString();
      const bob = await joined(process, 'bob', [{ conversationId: id, seq: 2, changedSince }]);
      await eventually(() => expect(bob.all('resumed')).toMatchObject([{ fromSeq: 2, toSeq: 3 }]));
      expect(bob.seqs(id)).toEqual([3]);
      expect(bob.all('message.edited').map(({ seq }) => seq)).toEqual([1]);
    });
  });

  describe('resuming', () => {
    it('sends every missed message in order, then says so, then is live', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await sayMany(id, 500);
      const bob = await joined(process, 'bob', [{ conversationId: id, seq: 20 }]);
      await eventually(() => expect(bob.all('resumed')).toMatchObject([{ conversationId: id, fromSeq: 20, toSeq: 500 }]));
      await world.say(id, 'alice');
      await eventually(() => expect(bob.seqs(id)).toEqual(upTo(501, 21)));
      expect(bob.frames.findIndex(({ type }) => type === 'resumed')).toBe(480);
    });

    it('loses and repeats nothing while messages go on coming', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await sayMany(id, 300);
      await joined(process, 'alice');
      const sessions: LoggedSession[] = [];
      const talking = (async () => {
        for (let i = 0; i < 200; i += 1) {
          await world.say(id, 'alice');
          if (i % 3 === 0) await turn();
        }
      })();
      for (let i = 0; i < 20; i += 1) {
        const bob = new LoggedSession('bob');
        sessions.push(bob);
        await process.live.join(bob, [{ conversationId: id, seq: i * 10 }], () => undefined);
      }
      await talking;
      await eventually(() => {
        for (const [i, session] of sessions.entries()) expect(session.seqs(id)).toEqual(upTo(500, i * 10 + 1));
      });
    });

    it('sends no message twice that Postgres has already and whose signal is still on its way', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await sayMany(id, 3);
      await joined(process, 'alice');
      const late = await sayMany(id, 2);
      const bob = await joined(process, 'bob', [{ conversationId: id, seq: 0 }]);
      await eventually(() => expect(bob.all('resumed')).toMatchObject([{ toSeq: 3 }]));
      for (const message of late) await world.tell(message);
      await world.say(id, 'alice');
      await eventually(() => expect(bob.seqs(id)).toContain(6));
      expect(bob.seqs(id)).toEqual(upTo(6));
    });

    it('refuses a stranger, an unknown conversation, a seq of the future and one that is too old', async () => {
      const process = quiet();
      const [id, foreign] = [await world.conversation('alice', 'bob'), await world.conversation('alice')];
      await sayMany(id, 3);
      const unknown = newId();
      const points = [foreign, unknown].map((conversationId) => ({ conversationId, seq: 0 }));
      const bob = await joined(process, 'bob', [...points, { conversationId: id, seq: 4 }]);
      for (const point of points) process.live.resume(bob, point);
      process.live.resume(bob, { conversationId: id, seq: 2 ** 53 - 1 });
      await eventually(() =>
        expect(new Set(bob.all('error').map(({ code, conversationId }) => `${code} ${conversationId}`))).toEqual(
          new Set([`not-found ${foreign}`, `not-found ${unknown}`, `validation ${id}`]),
        ),
      );
      await eventually(() => expect(bob.all('error')).toHaveLength(6));
      const conversation = world.archive.conversations.get(id);
      const [message] = conversation?.messages ?? [];
      if (message !== undefined) conversation?.messages.push(...upTo(10_001, 4).map((seq) => ({ ...message, seq })));
      process.live.resume(await joined(process, 'alice', [{ conversationId: id, seq: 10_001 }]), { conversationId: id, seq: 0 });
      process.live.resume(bob, { conversationId: id, seq: 0 });
      await eventually(() => expect(bob.all('error').at(-1)).toMatchObject({ code: 'validation', conversationId: id }));
      expect(bob.seqs(id)).toEqual([]);
    });

    it('at a seq that this process has not sent yet brings the others up to it', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const alice = await joined(process, 'alice');
      await sayMany(id, 3); // its signals were lost here; bob was on another process
      const bob = await joined(process, 'bob', [{ conversationId: id, seq: 3 }]);
      await world.say(id, 'alice');
      await eventually(() => expect([alice.seqs(id), bob.seqs(id)]).toEqual([upTo(4), [4]]));
      expect(bob.all('error')).toEqual([]);
    });

    it('never floods a slow reader, and goes on at its pace', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await sayMany(id, 1_000);
      const bob = new LoggedSession('bob');
      bob.isSlow = true;
      await process.live.join(bob, [{ conversationId: id, seq: 0 }], () => undefined);
      await eventually(() => {
        bob.read();
        expect(bob.seqs(id)).toEqual(upTo(1_000));
      });
      expect(bob.mostUnsent).toBeLessThan(256);
    });

    it('with a thousand points that lack nothing stays below the buffer of a session, too', async () => {
      const process = quiet();
      const ids: string[] = [];
      for (let i = 0; i < 1_000; i += 1) ids.push(i % 2 === 0 ? await world.conversation('bob') : newId());
      const bob = new LoggedSession('bob');
      bob.isSlow = true;
      const joining = process.live.join(
        bob,
        ids.map((conversationId) => ({ conversationId, seq: 0 })),
        () => undefined,
      );
      await eventually(() => {
        bob.read();
        expect([bob.all('resumed').length, bob.all('error').length]).toEqual([500, 500]);
      });
      await joining;
      expect(bob.mostUnsent).toBeLessThan(256);
    });

    it('goes on after an outage of Postgres in the middle of it', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await sayMany(id, 600);
      const bob = new LoggedSession('bob');
      bob.isSlow = true;
      await process.live.join(bob, [{ conversationId: id, seq: 0 }], () => undefined);
      await eventually(() => expect(bob.seqs(id).length).toBeGreaterThanOrEqual(128));
      world.postgres.isAway = true;
      bob.read();
      bob.read();
      await sleep(50);
      expect(bob.all('resumed')).toEqual([]);
      world.postgres.isAway = false;
      bob.isSlow = false;
      bob.read();
      await eventually(() => expect(bob.seqs(id)).toEqual(upTo(600)));
    });

    it('is not held up by another conversation that cannot be read', async () => {
      const process = quiet();
      const [broken, whole] = [await world.conversation('alice', 'bob'), await world.conversation('alice', 'bob')];
      await world.store(whole, 'alice');
      const message = await world.store(broken, 'alice');
      Object.defineProperty(world.archive.conversations.get(broken)?.messages[0] ?? message, 'createdAt', { value: undefined });
      const bob = await joined(process, 'bob', [
        { conversationId: broken, seq: 0 },
        { conversationId: whole, seq: 0 },
      ]);
      await eventually(() => expect(bob.seqs(whole)).toEqual([1]));
      expect(bob.seqs(broken)).toEqual([]);
      bob.close();
    });

    it('asks for changes with a few statements at once, however many sessions resume: others read there, too', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const [message] = await sayMany(id, 1);
      await world.messages.edit({ id: message?.id ?? '', actor: 'alice' }, 'edited');
      const changedSince = new Date(Date.now() - 60_000).toISOString();
      const sessions = await Promise.all(upTo(40).map(() => joined(process, 'bob')));
      const release = hold();
      for (const session of sessions) process.live.resume(session, { conversationId: id, seq: 1, changedSince });
      await eventually(() => expect(world.postgres.statements.get('changes')).toBeGreaterThanOrEqual(16));
      for (let i = 0; i < 20; i += 1) await turn();
      expect(world.postgres.statements.get('changes')).toBe(16);
      world.postgres.hold = undefined;
      release();
      await eventually(() => expect(sessions.every((session) => session.all('resumed').length === 1)).toBe(true));
      expect(sessions.every((session) => session.all('message.edited').length === 1)).toBe(true);
    });

    it('reads for users in turn: one with many sessions does not keep another waiting', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob', 'mallory');
      await sayMany(id, 1);
      const point = { conversationId: id, seq: 1, changedSince: new Date(Date.now() - 60_000).toISOString() };
      const many = await Promise.all(upTo(100).map(() => joined(process, 'mallory')));
      const bob = await joined(process, 'bob');
      const release = hold();
      for (const session of many) process.live.resume(session, point);
      await eventually(() => expect(world.postgres.statements.get('changes')).toBe(16));
      process.live.resume(bob, point);
      for (let i = 0; i < 20; i += 1) await turn();
      world.postgres.hold = undefined;
      release();
      while (bob.all('resumed').length === 0) await turn();
      expect(many.filter((session) => session.all('resumed').length === 1).length).toBeLessThan(60);
    });

    it('tells changes of the last 30 days, however far back the client asks', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const stored = world.archive.conversations.get(id)?.messages ?? [];
      for (const message of await sayMany(id, 2)) await world.messages.edit({ id: message.id, actor: 'alice' }, 'edited');
      for (const [i, days] of [31, 29].entries()) stored[i] = { ...nth(stored, i + 1), editedAt: new Date(Date.now() - days * 86_400_000) };
      const bob = await joined(process, 'bob', [{ conversationId: id, seq: 2, changedSince: '1970-01-01T00:00:00.000Z' }]);
      await eventually(() => expect(bob.all('resumed')).toHaveLength(1));
      expect(bob.all('message.edited').map(({ seq }) => seq)).toEqual([2]);
    });

    it('shares its statements in a storm of 2,000 sessions', async () => {
      const process = quiet();
      const users = Array.from({ length: 2_000 }, (_, i) => `user-${i}`);
      const id = await world.conversation('alice', ...users);
      await sayMany(id, 300);
      world.postgres.statements.clear();
      const sessions = await Promise.all(users.map((user) => joined(process, user, [{ conversationId: id, seq: 100 }])));
      await eventually(() => expect(sessions.filter((session) => session.all('resumed').length === 1)).toHaveLength(2_000));
      expect(sessions.every(({ raw }) => raw.length === 201)).toBe(true);
      expect(sessions.at(-1)?.seqs(id)).toEqual(upTo(300, 101));
      const total = [...world.postgres.statements.values()].reduce((sum, count) => sum + count, 0);
      expect(total).toBeLessThan(50); // 32 for memberships, 1 or 2 for the head, 1 page
    });
  });

  describe('members', () => {
    it('that are removed get nothing that was said later, whatever else was lost', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob', 'carol');
      const [bob, carol] = [await joined(process, 'bob'), await joined(process, 'carol')];
      await world.say(id, 'alice');
      await world.conversations.removeMember(id, 'alice', 'bob');
      await world.say(id, 'alice'); // its signal carries the version of the members
      await eventually(() => expect(carol.seqs(id)).toEqual([1, 2]));
      expect([bob.seqs(id), process.live.isMember(bob, id)]).toEqual([[1], false]);
      process.live.resume(bob, { conversationId: id, seq: 0 });
      await eventually(() => expect(bob.all('error')).toMatchObject([{ code: 'not-found' }]));
    });

    it('that change all the time hold nothing up: an answer that is new enough is not asked for again', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const bob = await joined(process, 'bob');
      for (let i = 0; i < 40; i += 1) await world.conversations.addMember(id, 'alice', `user-${i}`);
      const { membersVersion } = world.signalOf(await world.say(id, 'alice'));
      for (let i = 0; bob.seqs(id).length === 0 && i < 40; i += 1) {
        await world.publish(id, { type: 'members', membersVersion: membersVersion - 40 + i });
        await turn();
      }
      expect(bob.seqs(id)).toEqual([1]);
      expect(world.postgres.statements.get('members')).toBe(1);
    });

    it('that are removed while a page for them is read get nothing of it, and their resume is answered', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await sayMany(id, 3);
      await joined(process, 'alice');
      const bob = await joined(process, 'bob');
      await world.conversations.removeMember(id, 'alice', 'bob');
      await world.store(id, 'alice', 'secret');
      process.live.resume(bob, { conversationId: id, seq: 0 });
      await eventually(() => expect(process.live.isMember(bob, id)).toBe(false));
      expect([bob.seqs(id), bob.all('error')]).toMatchObject([[], [{ code: 'not-found', conversationId: id }]]);
    });

    it('whose conversation is gone when a page of it is read are told so', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await sayMany(id, 3);
      const bob = await joined(process, 'bob');
      world.archive.conversations.delete(id);
      process.live.resume(bob, { conversationId: id, seq: 0 });
      await eventually(() => expect(bob.all('error')).toMatchObject([{ code: 'not-found', conversationId: id }]));
      expect(bob.seqs(id)).toEqual([]);
    });

    it('whose next session joins before the signal of their removal are told with its resume', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await world.say(id, 'alice');
      await joined(process, 'bob');
      await world.conversations.removeMember(id, 'alice', 'bob');
      const again = await joined(process, 'bob', [{ conversationId: id, seq: 1 }]);
      await eventually(() => expect(again.all('error')).toMatchObject([{ code: 'not-found', conversationId: id }]));
      expect(again.all('resumed')).toEqual([]);
    });

    it('that are removed are noticed by the watch when the signal was lost', async () => {
      const process = world.process();
      const id = await world.conversation('alice', 'bob');
      const bob = await joined(process, 'bob');
      await world.conversations.removeMember(id, 'alice', 'bob');
      await eventually(() => expect(process.live.isMember(bob, id)).toBe(false));
    });

    it('that are added get what comes after, also when it came before they could be followed', async () => {
      const process = quiet();
      const id = await world.conversation('alice');
      await sayMany(id, 5);
      const bob = await joined(process, 'bob');
      await world.conversations.addMember(id, 'alice', 'bob');
      await sayMany(id, 3);
      await world.fanOut.publish([{ userId: 'bob', signals: [{ type: 'joined', conversationId: id, headSeq: 5 }] }]);
      await eventually(() => expect(bob.seqs(id)).toEqual([6, 7, 8]));
      await world.say(id, 'alice');
      await eventually(() => expect(bob.seqs(id)).toEqual([6, 7, 8, 9]));
    });

    it('that are added are noticed by the watch when the signal was lost', async () => {
      const process = world.process();
      const id = await world.conversation('alice');
      await world.store(id, 'alice');
      const bob = await joined(process, 'bob');
      await sleep(2); // times are milliseconds
      await world.conversations.addMember(id, 'alice', 'bob');
      await world.store(id, 'alice');
      await eventually(() => expect(bob.seqs(id)).toEqual([2]));
    });

    it('that a forged signal names get nothing', async () => {
      const process = quiet();
      const id = await world.conversation('alice');
      const mallory = await joined(process, 'mallory');
      await world.fanOut.publish([{ userId: 'mallory', signals: [{ type: 'joined', conversationId: id, headSeq: 0 }] }]);
      await eventually(() => expect(world.postgres.statements.get('members')).toBe(1));
      await world.say(id, 'alice');
      await eventually(() => expect(process.followed.get(id)).toBeUndefined());
      expect(mallory.frames).toEqual([]);
    });
  });

  describe('a lost subscription', () => {
    it('is filled from Postgres while it lasts, and once more when it is over', async () => {
      const process = world.process();
      const id = await world.conversation('alice', 'bob');
      const bob = await joined(process, 'bob');
      process.subscription.lose();
      await sayMany(id, 3);
      await eventually(() => expect(bob.seqs(id)).toEqual(upTo(3)));
      const [first] = world.archive.conversations.get(id)?.messages ?? [];
      await world.messages.edit({ id: first?.id ?? '', actor: 'alice' }, 'edited');
      await eventually(() => expect(bob.all('message.edited')).toHaveLength(1));
      await sayMany(id, 300);
      process.subscription.restore();
      await eventually(() => expect(bob.seqs(id)).toEqual(upTo(303)));
      await world.say(id, 'alice');
      await eventually(() => expect(bob.seqs(id)).toEqual(upTo(304)));
    });

    it('that nothing tells of is found by comparing heads twice', async () => {
      const process = world.process();
      const id = await world.conversation('alice', 'bob');
      const bob = await joined(process, 'bob');
      await sayMany(id, 2); // lost, and nothing follows
      await eventually(() => expect(bob.seqs(id)).toEqual([1, 2]));
    });
  });

  describe('joining', () => {
    it('misses nothing that is said between the read of the heads and being live', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const bob = new LoggedSession('bob');
      const joining = process.live.join(bob, [{ conversationId: id, seq: 0 }], () => undefined);
      for (let i = 0; i < 30; i += 1) {
        await world.say(id, 'alice');
        await turn();
      }
      await joining;
      await eventually(() => expect(bob.seqs(id)).toEqual(upTo(30)));
    });

    it('hears what is said while the head is being read', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await sayMany(id, 2);
      const bob = new LoggedSession('bob');
      const [memberships, states] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      world.postgres.hold = memberships.promise;
      const joining = process.live.join(bob, [{ conversationId: id, seq: 2 }], () => undefined);
      await eventually(() => expect(world.postgres.statements.get('memberships')).toBe(1));
      await turn();
      await turn();
      world.postgres.hold = states.promise;
      memberships.resolve();
      await eventually(() => expect(world.postgres.statements.get('states')).toBe(1));
      await turn();
      await world.say(id, 'alice');
      await turn();
      await turn();
      states.resolve();
      await joining;
      await eventually(() => expect(bob.seqs(id)).toEqual([3]));
    });

    it('brings everything that is committed after the welcome, also without resume points', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await sayMany(id, 2);
      const bob = new LoggedSession('bob');
      const told: Promise<unknown>[] = [];
      await process.live.join(bob, [], () => told.push(world.say(id, 'alice')));
      await Promise.all(told);
      await eventually(() => expect(bob.seqs(id)).toEqual([3]));
    });

    it('fails when Postgres is away, and leaves nothing behind', async () => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      const bob = new LoggedSession('bob');
      world.postgres.isAway = true;
      await expect(process.live.join(bob, [], () => undefined)).rejects.toMatchObject({ name: 'DependencyError' });
      process.live.leave(bob);
      world.postgres.isAway = false;
      expect([process.followed.ids(), process.live.userIds()]).toEqual([[], []]);
      const again = await joined(process, 'bob');
      await world.say(id, 'alice');
      await eventually(() => expect(again.seqs(id)).toEqual([1]));
    });

    it('that fails in one session leaves no conversation unread for the others', async () => {
      const process = quiet();
      const id = await world.conversation('alice');
      const bob = await joined(process, 'bob');
      const alice = new LoggedSession('alice');
      const release = hold();
      const joining = process.live.join(alice, [], () => undefined).catch(() => process.live.leave(alice));
      await eventually(() => expect(world.postgres.statements.get('memberships')).toBe(2));
      const releaseStates = hold();
      release();
      await eventually(() => expect(world.postgres.statements.get('states')).toBe(1));
      await world.conversations.addMember(id, 'alice', 'bob');
      process.live.joined('bob', id, 0);
      world.postgres.isAway = true;
      releaseStates();
      await joining;
      world.postgres.isAway = false;
      process.watch.start();
      await world.say(id, 'alice');
      await eventually(() => expect(bob.seqs(id)).toEqual([1]));
    });

    it('reads nothing for users with many conversations who are gone when it is their turn', async () => {
      const process = quiet();
      for (let i = 0; i < 300; i += 1) await world.conversation('alice', 'bob', 'carol');
      const waiting = [new LoggedSession('alice'), ...upTo(20).map(() => new LoggedSession('bob'))];
      const release = hold();
      const joining = waiting.map((session) => process.live.join(session, [], () => undefined));
      const carol = joined(process, 'carol');
      await eventually(() => expect(world.postgres.statements.get('memberships')).toBe(1));
      const releaseFirst = hold();
      release();
      await eventually(() => expect(world.postgres.statements.get('allMemberships')).toBe(1));
      for (const session of waiting) {
        session.close();
        process.live.leave(session);
      }
      world.postgres.hold = undefined;
      releaseFirst();
      await Promise.all([...joining, carol]);
      expect(world.postgres.statements.get('allMemberships')).toBe(2); // the one that was under way, and carol's
    });

    it.each(upTo(14, 0))('leaves nothing behind when the session closes %i turns after it began', async (turns) => {
      const process = quiet();
      const id = await world.conversation('alice', 'bob');
      await sayMany(id, 250);
      const bob = new LoggedSession('bob');
      const joining = process.live.join(bob, [{ conversationId: id, seq: 0 }], () => undefined);
      for (let i = 0; i < turns; i += 1) await turn();
      bob.close();
      process.live.leave(bob);
      await joining;
      await eventually(() => expect([process.followed.ids(), process.live.userIds()]).toEqual([[], []]));
    });

    it('follows 10,000 conversations of one user with few statements, and lets go of all', async () => {
      const process = quiet();
      const ids: string[] = [];
      for (let i = 0; i < 10_000; i += 1) ids.push(await world.conversation('alice', 'bob'));
      const last = ids.at(-1) ?? '';
      world.postgres.statements.clear();
      const bob = await joined(process, 'bob');
      expect(process.followed.ids()).toHaveLength(10_000);
      expect([...world.postgres.statements.values()].reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(12);
      await world.say(last, 'alice');
      await eventually(() => expect(bob.seqs(last)).toEqual([1]));
      process.live.leave(bob);
      expect([process.followed.ids(), process.live.userIds()]).toEqual([[], []]);
    });
  });

  it('heads for a ping name the conversations that had messages since the last one', async () => {
    const process = quiet();
    const [one, two] = [await world.conversation('alice', 'bob'), await world.conversation('alice', 'bob')];
    await sayMany(one, 2);
    const bob = await joined(process, 'bob');
    expect(process.live.headsFor(bob)).toBeUndefined();
    await world.say(two, 'alice');
    await world.say(two, 'alice');
    await eventually(() => expect(bob.seqs(two)).toEqual([1, 2]));
    expect(process.live.headsFor(bob)).toEqual({ [two]: 2 });
    expect(process.live.headsFor(bob)).toBeUndefined();
  });

  it('typing reaches the other members, once in two seconds, and a stranger learns nothing', async () => {
    const process = quiet();
    const id = await world.conversation('alice', 'bob');
    const [alice, bob, mallory] = [await joined(process, 'alice'), await joined(process, 'bob'), await joined(process, 'mallory')];
    for (let i = 0; i < 5; i += 1) process.live.typing(alice, id);
    process.live.typing(mallory, id);
    await eventually(() => expect(bob.all('typing')).toEqual([{ type: 'typing', conversationId: id, userId: 'alice' }]));
    expect([alice.frames, mallory.all('error')]).toEqual([[], [expect.objectContaining({ code: 'not-found', conversationId: id })]]);
  });

  it('typing of many in a large conversation reaches the others now and then only', async () => {
    const process = quiet();
    const users = upTo(500).map((number) => `user-${number}`);
    const id = await world.conversation('alice', 'bob', ...users);
    const bob = await joined(process, 'bob');
    await Promise.all(users.map((user) => joined(process, user)));
    await world.publish(id, ...users.slice(0, 100).map((userId) => ({ type: 'typing' as const, userId })));
    await world.say(id, 'alice');
    await eventually(() => expect(bob.seqs(id)).toEqual([1]));
    expect(bob.all('typing').length).toBeGreaterThanOrEqual(1);
    expect(bob.all('typing').length).toBeLessThan(20);
  });

  it('receipts and presence reach the members', async () => {
    const process = quiet();
    const id = await world.conversation('alice', 'bob');
    const [alice, bob] = [await joined(process, 'alice'), await joined(process, 'bob')];
    await world.publish(
      id,
      { type: 'receipt', userId: 'bob', deliveredSeq: 2, readSeq: 1 },
      { type: 'presence', userId: 'bob', online: true },
    );
    await eventually(() => expect(alice.frames.map(({ type }) => type)).toEqual(['receipt', 'presence']));
    expect(bob.frames.map(({ type }) => type)).toEqual(['receipt']);
  });

  it('presence that is told while the members are compared reaches them afterwards', async () => {
    const process = quiet();
    const id = await world.conversation('alice');
    const alice = await joined(process, 'alice');
    await world.conversations.addMember(id, 'alice', 'bob');
    const release = hold();
    await world.tellMembers(id);
    await eventually(() => expect(world.postgres.statements.get('members')).toBe(1));
    await world.publish(id, { type: 'presence', userId: 'bob', online: true });
    for (let i = 0; i < 20; i += 1) await turn();
    expect(alice.all('presence')).toEqual([]);
    release();
    await eventually(() => expect(alice.all('presence')).toMatchObject([{ userId: 'bob', online: true }]));
  });
});
