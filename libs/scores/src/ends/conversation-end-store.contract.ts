import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ParleyEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import type { ConversationEndDraft, ConversationEndRecord, ConversationEndStorePort } from './conversation-end-store.port.js';
import { logKeyOf, logPrefixOf } from './log-key.js';

/** A store of ends, and the conversations and events around it. */
export interface EndsSetup {
  readonly store: ConversationEndStorePort;
  /** A conversation of Parley with so many messages. */
  readonly conversation: (memberIds: readonly string[], messageCount: number) => Promise<string>;
  readonly addMessages: (conversationId: string, count: number) => Promise<void>;
  /** Events in the outbox, oldest first. */
  readonly events: () => Promise<ParleyEvent[]>;
  readonly clear: () => Promise<void>;
  readonly close?: () => Promise<void>;
}

/** What every store of ends promises. */
export function conversationEndStoreContract(name: string, make: () => Promise<EndsSetup>): void {
  describe(`${name} as the store of ends`, () => {
    let setup: EndsSetup;
    let store: ConversationEndStorePort;
    beforeAll(async () => {
      setup = await make();
      ({ store } = setup);
    });
    beforeEach(() => setup.clear());
    afterAll(async () => setup.close?.());

    const log = gzipSync('{"role":"user","content":"hi"}\n');
    const draft = (changes: Partial<ConversationEndDraft> = {}): ConversationEndDraft => ({
      conversationId: 'robot-7',
      userId: 'alice',
      startTime: new Date('2026-01-31T09:00:00.000Z'),
      endTime: new Date('2026-01-31T09:30:00.000Z'),
      bodyHash: 'a'.repeat(64),
      log,
      headers: { requestId: 'r1' },
      ...changes,
    });
    const rangeOf = (end: ConversationEndRecord | undefined) => [end?.messages?.fromSeq, end?.messages?.throughSeq];

    it('keeps an end with its log, and announces it', async () => {
      const { end, event } = await store.end(draft());
      expect(end).toMatchObject({ eventId: end.id, conversationId: 'robot-7', userId: 'alice', messages: undefined });
      expect(end.log).toEqual({ state: 'staged', objectKey: logKeyOf('alice', end.id), bytes: log.length });
      const found = await store.find(end.id);
      expect(found).toMatchObject({ ...end, createdAt: found?.createdAt });
      expect(await store.stagedLog(end.id)).toEqual(log);
      expect(event).toMatchObject({ eventId: end.id, data: { endId: end.id, userId: 'alice', endedAt: '2026-01-31T09:30:00.000Z' } });
      expect(await setup.events()).toEqual([event]);
    });

    it('gives the same end for the same body, once stored', async () => {
      const [first, ...others] = await Promise.all([1, 2, 3, 4].map(() => store.end(draft())));
      expect(new Set(others.map(({ end }) => end.id))).toEqual(new Set([first?.end.id]));
      expect((await store.end(draft())).event).toBeUndefined();
      expect(await setup.events()).toHaveLength(1);
    });

    it('gives another body of the same conversation an end with a timestamp', async () => {
      const first = await store.end(draft());
      const second = await store.end(draft({ bodyHash: 'b'.repeat(64) }));
      expect(second.end.eventId).toMatch(new RegExp(`^${second.end.id}_\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$`));
      expect(second.end.id).not.toBe(first.end.id);
      expect((await store.latestOf(draft()))?.id).toBe(second.end.id);
      expect((await store.end(draft())).end.eventId).toBe(first.end.eventId);
    });

    it('keeps the conversations of users apart', async () => {
      const { end: first } = await store.end(draft());
      const { end: second } = await store.end(draft({ userId: 'bob' }));
      expect(second.eventId).toBe(second.id);
      expect(second.id).not.toBe(first.id);
      expect((await store.ofUser('alice', 10)).map(({ id }) => id)).toEqual([first.id]);
    });

    it('refuses a conversation of another system without a log', async () => {
      await expect(store.end(draft({ log: undefined }))).rejects.toMatchObject({
        code: 'validation',
        errors: [{ pointer: '/conversationLog' }],
      });
      await expect(store.end(draft({ conversationId: newId(), log: undefined }))).rejects.toMatchObject({ code: 'not-found' });
      expect((await store.end(draft({ conversationId: newId() }))).event).toBeDefined();
    });

    it('refuses a conversation of Parley that the user is not in, with a log too', async () => {
      const conversationId = await setup.conversation(['bob', 'carol'], 2);
      for (const given of [log, undefined])
        await expect(store.end(draft({ conversationId, log: given }))).rejects.toMatchObject({ code: 'not-found' });
      expect(await store.endUnended({ conversationId, userId: 'alice' })).toBeUndefined();
      expect(await store.preview({ conversationId, userId: 'alice' })).toBeUndefined();
      expect(await setup.events()).toEqual([]);
    });

    it('ends a conversation of Parley with the messages since its last end, so that each belongs to one', async () => {
      const conversationId = await setup.conversation(['alice', 'bob'], 3);
      const first = await store.end(draft({ conversationId, log: undefined }));
      await setup.addMessages(conversationId, 2);
      const second = await store.end(draft({ conversationId, log: undefined, bodyHash: 'b'.repeat(64) }));
      const third = await store.end(draft({ conversationId, log: undefined, bodyHash: 'c'.repeat(64) }));
      const others = await store.end(draft({ conversationId, userId: 'bob', log: undefined }));
      expect([first, second, third, others].map(({ end }) => rangeOf(end))).toEqual([
        [1, 3],
        [4, 5],
        [6, 5],
        [1, 5],
      ]);
      expect(rangeOf(await store.find(second.end.id))).toEqual([4, 5]);
    });

    it('counts the messages before an end with a log as ended', async () => {
      const conversationId = await setup.conversation(['alice'], 3);
      expect((await store.end(draft({ conversationId }))).end.messages).toBeUndefined();
      await setup.addMessages(conversationId, 1);
      expect(rangeOf((await store.endUnended({ conversationId, userId: 'alice' }))?.end)).toEqual([4, 4]);
    });

    it('ends many at once without giving a message to two of them', async () => {
      const conversationId = await setup.conversation(['alice'], 4);
      const ended = await Promise.all(
        Array.from({ length: 8 }, (_, i) => store.end(draft({ conversationId, log: undefined, bodyHash: `${i}`.repeat(64) }))),
      );
      const ranges = ended.map(({ end }) => rangeOf(end).join('-')).sort();
      expect(ranges).toEqual(['1-4', ...Array.from({ length: 7 }, () => '5-4')]);
      expect(ended.filter(({ end }) => end.eventId === end.id)).toHaveLength(1);
    });

    it('ends what is not ended on request, once, and shows it before', async () => {
      const conversationId = await setup.conversation(['alice'], 2);
      const conversation = { conversationId, userId: 'alice' };
      const shown = await store.preview(conversation);
      expect(rangeOf(shown)).toEqual([1, 2]);
      expect(await store.find(shown?.id ?? '')).toBeUndefined();
      const [one, other] = await Promise.all([store.endUnended(conversation), store.endUnended(conversation)]);
      expect(one?.end.id).toBe(other?.end.id);
      expect(rangeOf(one?.end)).toEqual([1, 2]);
      expect(await store.preview(conversation)).toMatchObject({ id: one?.end.id });
      expect(await setup.events()).toHaveLength(1);
      expect(await store.endUnended({ conversationId: 'unknown', userId: 'alice' })).toBeUndefined();
    });

    it('gives the last end of a conversation of another system on request', async () => {
      const { end } = await store.end(draft());
      expect((await store.endUnended({ conversationId: 'robot-7', userId: 'alice' }))?.end.id).toBe(end.id);
      expect(await setup.events()).toHaveLength(1);
    });

    it('knows who ended a conversation, and shows two of several', async () => {
      expect(await store.usersOf('robot-7')).toEqual([]);
      await store.end(draft());
      await store.end(draft({ bodyHash: 'b'.repeat(64) }));
      expect(await store.usersOf('robot-7')).toEqual(['alice']);
      for (const userId of ['bob', 'carol']) await store.end(draft({ userId }));
      expect(await store.usersOf('robot-7')).toHaveLength(2);
    });

    it('drops the staged log when it is stored, and says so again', async () => {
      const { end } = await store.end(draft());
      expect([await store.logStored(end.id), await store.logStored(end.id)]).toEqual([true, true]);
      expect(await store.stagedLog(end.id)).toBeUndefined();
      expect((await store.find(end.id))?.log?.state).toBe('stored');
      expect(await store.logStored(newId())).toBe(false);
    });

    it('gives the ends of a user page by page, and removes them', async () => {
      const ids: string[] = [];
      for (const letter of ['a', 'b', 'c']) ids.push((await store.end(draft({ bodyHash: letter.repeat(64) }))).end.id);
      await store.end(draft({ userId: 'bob' }));
      const sorted = ids.sort();
      expect((await store.ofUser('alice', 2)).map(({ id }) => id)).toEqual(sorted.slice(0, 2));
      expect((await store.ofUser('alice', 2, sorted[1])).map(({ id }) => id)).toEqual(sorted.slice(2));
      expect([await store.removeOf('alice', 2), await store.removeOf('alice', 2), await store.removeOf('alice', 2)]).toEqual([2, 1, 0]);
      expect(await store.stagedLog(sorted[0] ?? '')).toBeUndefined();
      expect(await store.ofUser('bob', 2)).toHaveLength(1);
    });
  });

  it(`${name}: the keys of a user's logs begin alike, whatever its id is`, () => {
    expect(logKeyOf('Alice:1', 'x')).toMatch(/^logs\/[0-9a-f]{32}\/x\.ndjson\.gz$/);
    expect(logKeyOf('Alice:1', 'x').startsWith(logPrefixOf('Alice:1'))).toBe(true);
    expect(logPrefixOf('alice:1')).not.toBe(logPrefixOf('Alice:1'));
  });
}
