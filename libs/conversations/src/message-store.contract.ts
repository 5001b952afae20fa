import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import { MessageCreated, MessageEdited, type ParleyEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import type { ConversationStorePort, MembershipLimits } from './conversation-store.port.js';
import type { Message, MessageDraft, StoredMessage } from './message.js';
import type { MessageStorePort } from './message-store.port.js';

/** Empty stores that belong together, and what their outbox holds. */
export interface StoresSetup {
  readonly messages: MessageStorePort;
  readonly conversations: ConversationStorePort;
  /** The same conversations with limits for each user and day. */
  readonly limited: (limits: MembershipLimits) => ConversationStorePort;
  readonly announced: () => Promise<{ readonly event: ParleyEvent; readonly headers: EventHeaders }[]>;
  readonly close?: () => Promise<void>;
}

/** What every message store promises. */
export const messageStoreContract = (make: () => Promise<StoresSetup>): void => {
  describe('a message store', () => {
    let setup: StoresSetup;
    let messages: MessageStorePort;
    let conversationId: string;
    beforeEach(async () => {
      setup = await make();
      ({ messages } = setup);
      conversationId = await conversationOf('alice', 'bob');
    });
    afterEach(async () => setup.close?.());

    const conversationOf = async (creatorId: string, ...memberIds: string[]): Promise<string> =>
      (await setup.conversations.create({ title: null, creatorId, memberIds })).id;
    const announcedMessages = async () => (await setup.announced()).filter(({ event }) => event.type.startsWith('message.'));
    const draft = (facts: Partial<MessageDraft> = {}): MessageDraft => ({
      conversationId,
      senderId: 'alice',
      content: 'Xin chào',
      priority: 'normal',
      ...facts,
    });
    const send = (facts: Partial<MessageDraft> = {}): Promise<StoredMessage> => messages.store(draft(facts));
    const sendAll = (count: number): Promise<StoredMessage[]> =>
      Promise.all(Array.from({ length: count }, (_, i) => send({ content: `message ${i + 1}` })));
    const contents = (page: { messages: Message[] } | undefined) => page?.messages.map(({ content }) => content);

    describe('storing', () => {
      it('numbers the messages of a conversation 1, 2, 3 in the order in which they came', async () => {
        const stored = await sendAll(20);
        expect(stored.map(({ message }) => message.seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
        expect(contents(await messages.page(conversationId, 'bob', { limit: 200 }))).toEqual(stored.map(({ message }) => message.content));
      });

      it('numbers each conversation by itself', async () => {
        const other = await conversationOf('alice');
        const stored = await Promise.all([send(), send({ conversationId: other }), send(), send({ conversationId: other })]);
        expect(stored.map(({ message }) => message.seq)).toEqual([1, 1, 2, 2]);
      });

      it('keeps text and metadata exactly as they came', async () => {
        const content = 'Cà phê sữa đá ☕\n"quotes" \\ \' {json} \t$1 %s\u{1F469}\u200D\u{1F4BB}';
        const metadata = { 'key with "quotes"': [1, 2.5, null, { deep: 'đ' }], '10': true };
        const { message } = await send({ content, metadata });
        expect(message).toMatchObject({ content, metadata, senderId: 'alice', version: 1, conversationId });
        expect(await messages.find(message.id, 'bob')).toEqual(message);
      });

      it('announces a message in the same commit, with the headers of its request', async () => {
        const result = await send({ requestId: 'request-1', traceparent: '00-a-b-01', metadata: { internal: true } });
        const [entry] = await announcedMessages();
        expect(result.replayed).toBe(false);
        if (result.replayed) return;
        expect(entry).toEqual({ event: result.event, headers: { requestId: 'request-1', traceparent: '00-a-b-01' } });
        expect(MessageCreated.parse(result.event)).toEqual(result.event);
        expect(result.event.data).toEqual({
          messageId: result.message.id,
          conversationId,
          seq: 1,
          senderId: 'alice',
          version: 1,
          createdAt: result.message.createdAt.toISOString(),
          content: 'Xin chào',
        });
      });

      it('answers alike for a conversation that is not there and one of others', async () => {
        const others = await conversationOf('carol');
        for (const id of [others, newId()]) {
          await expect(send({ conversationId: id })).rejects.toMatchObject({ name: 'ProblemError', code: 'not-found' });
        }
        expect(await announcedMessages()).toEqual([]);
      });

      it('does not let one refused request fail its neighbours', async () => {
        const outcomes = await Promise.allSettled([send(), send({ senderId: 'mallory' }), send({ conversationId: newId() }), send()]);
        expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
        expect((await messages.page(conversationId, 'alice', { limit: 10 }))?.messages.map(({ seq }) => seq)).toEqual([1, 2]);
      });

      it('stops taking messages from a member who was removed', async () => {
        await setup.conversations.removeMember(conversationId, 'alice', 'bob');
        await expect(send({ senderId: 'bob' })).rejects.toMatchObject({ code: 'not-found' });
      });
    });

    describe('idempotency keys', () => {
      it('answer a repeated send with the message that is there, for ever', async () => {
        const first = await send({ key: 'key-1', metadata: { a: 1, b: { c: 2, d: 3 } } });
        await sendAll(3);
        const again = await send({ key: 'key-1', metadata: { b: { d: 3, c: 2 }, a: 1 } });
        expect(again).toEqual({ replayed: true, message: first.message });
        expect(await announcedMessages()).toHaveLength(4);
      });

      it.each([
        ['content', { content: 'another text' }],
        ['metadata', { metadata: { a: 2 } }],
        ['no metadata', { metadata: undefined }],
        ['priority', { priority: 'high' }],
      ] as const)('refuse another body: %s', async (_what, change) => {
        await send({ key: 'key-1', metadata: { a: 1 } });
        await expect(send({ key: 'key-1', metadata: { a: 1 }, ...change })).rejects.toMatchObject({ code: 'idempotency-key-reused' });
        expect(await announcedMessages()).toHaveLength(1);
      });

      it('make one message of 50 concurrent sends', async () => {
        const results = await Promise.all(Array.from({ length: 50 }, () => send({ key: 'key-1' })));
        expect(results.filter(({ replayed }) => !replayed)).toHaveLength(1);
        expect(new Set(results.map(({ message }) => JSON.stringify(message))).size).toBe(1);
        expect(await announcedMessages()).toHaveLength(1);
      });

      it('let the first of two concurrent bodies win', async () => {
        const outcomes = await Promise.allSettled([
          send({ key: 'key-1', content: 'first' }),
          send({ key: 'key-1', content: 'second' }),
          send({ key: 'key-1', content: 'first' }),
          send({ key: 'key-2', content: 'first' }),
        ]);
        expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.replayed : outcome.reason.code))).toEqual([
          false,
          'idempotency-key-reused',
          true,
          false,
        ]);
        expect(contents(await messages.page(conversationId, 'alice', { limit: 10 }))).toEqual(['first', 'first']);
      });

      it('belong to one sender in one conversation', async () => {
        const other = await conversationOf('alice');
        const results = await Promise.all([
          send({ key: 'k' }),
          send({ key: 'k', senderId: 'bob' }),
          send({ key: 'k', conversationId: other }),
        ]);
        expect(results.map(({ replayed }) => replayed)).toEqual([false, false, false]);
      });

      it('do not answer a sender who is no longer a member', async () => {
        await send({ key: 'key-1', senderId: 'bob' });
        await setup.conversations.removeMember(conversationId, 'alice', 'bob');
        await expect(send({ key: 'key-1', senderId: 'bob' })).rejects.toMatchObject({ code: 'not-found' });
      });
    });

    it('numbers without gaps for 100 senders in 20 conversations at once', async () => {
      const ids = await Promise.all(Array.from({ length: 20 }, () => conversationOf('alice')));
      const sent = await Promise.all(
        Array.from({ length: 100 }, (_, sender) =>
          Promise.all(
            Array.from({ length: 5 }, (_, i) => send({ conversationId: ids[(sender + i * 7) % 20] ?? '', content: `${sender}/${i}` })),
          ),
        ),
      );
      for (const id of ids) {
        const page = await messages.page(id, 'alice', { afterSeq: 0, limit: 200 });
        const acknowledged = sent.flat().filter(({ message }) => message.conversationId === id);
        expect(page?.messages.map(({ seq }) => seq)).toEqual(Array.from({ length: acknowledged.length }, (_, i) => i + 1));
        expect(page?.headSeq).toBe(acknowledged.length);
        expect(new Set(page?.messages.map(({ id }) => id))).toEqual(new Set(acknowledged.map(({ message }) => message.id)));
      }
    });

    describe('changing', () => {
      it('gives a message a new text and the next version, and announces it in the same commit', async () => {
        const { message } = await send();
        const { message: edited, event } = await messages.edit(
          { id: message.id, actor: 'alice', requestId: 'request-2' },
          'Chào buổi sáng',
        );
        expect(edited).toMatchObject({ content: 'Chào buổi sáng', version: 2, seq: message.seq, editedAt: expect.any(Date) });
        expect(await messages.find(message.id, 'bob')).toEqual(edited);
        expect(MessageEdited.parse(event).data).toMatchObject({ messageId: message.id, version: 2, content: 'Chào buổi sáng' });
        expect(await announcedMessages()).toContainEqual({ event, headers: { requestId: 'request-2' } });
      });

      it('removes what a deleted message said and keeps its seq', async () => {
        const { message } = await send({ metadata: { secret: true } });
        const deleted = await messages.delete({ id: message.id, actor: 'alice' });
        expect(deleted?.event.data).toMatchObject({ messageId: message.id, version: 2 });
        expect(await messages.find(message.id, 'bob')).toMatchObject({
          content: '',
          metadata: undefined,
          version: 2,
          deletedAt: expect.any(Date),
        });
        expect(await messages.findMany([message.id], 'bob')).toEqual([]);
        expect((await send()).message.seq).toBe(message.seq + 1);
      });

      it('deletes once, and edits nothing that is deleted', async () => {
        const { message } = await send();
        await messages.delete({ id: message.id, actor: 'alice' });
        expect(await messages.delete({ id: message.id, actor: 'alice' })).toBeUndefined();
        await expect(messages.edit({ id: message.id, actor: 'alice' }, 'again')).rejects.toMatchObject({ code: 'not-found' });
        expect((await announcedMessages()).map(({ event }) => event.type)).toEqual(['message.created', 'message.deleted']);
      });

      it('lets one of two edits of the same version win', async () => {
        const { message } = await send();
        const edits = ['one', 'other'].map((content) => messages.edit({ id: message.id, actor: 'alice', ifVersions: [1] }, content));
        const outcomes = await Promise.allSettled(edits);
        expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
        expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'version-conflict' } });
        expect(await messages.find(message.id, 'alice')).toMatchObject({ version: 2 });
      });

      it('numbers concurrent edits of whichever version one by one', async () => {
        const { message } = await send();
        const changed = await Promise.all(
          Array.from({ length: 5 }, (_, i) => messages.edit({ id: message.id, actor: 'alice' }, `text ${i}`)),
        );
        expect(changed.map(({ message: { version } }) => version).sort((one, other) => one - other)).toEqual([2, 3, 4, 5, 6]);
      });

      it.each([
        ['another member of the conversation', 'bob', 'forbidden'],
        ['a stranger', 'mallory', 'not-found'],
      ])('is not for %s', async (_who, actor, code) => {
        const { message } = await send();
        await expect(messages.edit({ id: message.id, actor }, 'forged')).rejects.toMatchObject({ code });
        await expect(messages.delete({ id: message.id, actor })).rejects.toMatchObject({ code });
        await expect(messages.edit({ id: newId(), actor }, 'forged')).rejects.toMatchObject({ code: 'not-found' });
        expect(await messages.find(message.id, 'alice')).toEqual(message);
      });

      it('leaves the answer to a repeated send as it was, after an edit and after a deletion', async () => {
        const { message } = await send({ key: 'k', metadata: { first: true } });
        await messages.edit({ id: message.id, actor: 'alice' }, 'later');
        expect(await send({ key: 'k', metadata: { first: true } })).toEqual({ replayed: true, message });
        await messages.delete({ id: message.id, actor: 'alice' });
        expect(await send({ key: 'k', metadata: { first: true } })).toEqual({ replayed: true, message });
        await expect(send({ key: 'k', content: 'later' })).rejects.toMatchObject({ code: 'idempotency-key-reused' });
      });
    });

    describe('reading', () => {
      it('shows a message to members only', async () => {
        const { message } = await send();
        expect(await messages.find(message.id, 'bob')).toEqual(message);
        expect(await messages.find(message.id, 'mallory')).toBeUndefined();
        expect(await messages.find(newId(), 'alice')).toBeUndefined();
      });

      it('finds those of many messages that the reader may see', async () => {
        const [mine, others] = [await send(), await send({ conversationId: await conversationOf('carol'), senderId: 'carol' })];
        const found = await messages.findMany([mine.message.id, others.message.id, newId(), mine.message.id], 'bob');
        expect(found).toEqual([mine.message]);
        expect(await messages.findMany([], 'bob')).toEqual([]);
      });

      it.each([
        ['the newest without a bound', { limit: 3 }, [8, 9, 10]],
        ['the first after a seq', { afterSeq: 4, limit: 3 }, [5, 6, 7]],
        ['from the beginning', { afterSeq: 0, limit: 2 }, [1, 2]],
        ['the last before a seq', { beforeSeq: 4, limit: 2 }, [2, 3]],
        ['nothing before the first', { beforeSeq: 1, limit: 5 }, []],
        ['nothing after the last', { afterSeq: 10, limit: 5 }, []],
        ['nothing far beyond', { afterSeq: Number.MAX_SAFE_INTEGER, limit: 5 }, []],
        ['all of them', { beforeSeq: Number.MAX_SAFE_INTEGER, limit: 200 }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
      ] as const)('pages in ascending order: %s', async (_what, range, seqs) => {
        await sendAll(10);
        const page = await messages.page(conversationId, 'bob', range);
        expect(page?.messages.map(({ seq }) => seq)).toEqual(seqs);
        expect(page?.headSeq).toBe(10);
      });

      it('ends a page at about a megabyte of text, in both directions, and the client goes on from there', async () => {
        const long = 'ế'.repeat(16_384); // 49,152 bytes
        await Promise.all(Array.from({ length: 60 }, () => send({ content: long })));
        const bytesOf = (page: { messages: Message[] } | undefined) => (page?.messages.length ?? 0) * 49_152;
        for (const direction of ['after', 'before'] as const) {
          const seen: number[] = [];
          for (let pages = 0; seen.length < 60 && pages < 10; pages += 1) {
            const range = direction === 'after' ? { afterSeq: seen.at(-1) ?? 0 } : { beforeSeq: seen.at(-1) ?? 61 };
            const page = await messages.page(conversationId, 'bob', { ...range, limit: 200 });
            expect(bytesOf(page)).toBeLessThan(1_100_000);
            const seqs = page?.messages.map(({ seq }) => seq) ?? [];
            expect(seqs).toEqual([...seqs].sort((one, other) => one - other));
            seen.push(...(direction === 'after' ? seqs : seqs.reverse()));
          }
          const all = Array.from({ length: 60 }, (_, i) => i + 1);
          expect(seen).toEqual(direction === 'after' ? all : all.reverse());
        }
        const newest = await messages.page(conversationId, 'bob', { limit: 200 });
        expect([newest?.messages.at(-1)?.seq, newest?.headSeq]).toEqual([60, 60]);
      });

      it('finds no more than two megabytes at once, the first of those asked for', async () => {
        const long = 'ế'.repeat(16_384);
        const stored = await Promise.all(Array.from({ length: 60 }, () => send({ content: long })));
        const ids = stored.map(({ message }) => message.id).reverse();
        const found = new Set((await messages.findMany(ids, 'bob')).map(({ id }) => id));
        expect(found.size * 49_152).toBeLessThan(2_100_000);
        expect(found).toEqual(new Set(ids.slice(0, found.size)));
      });

      it('tells an empty conversation from one that the reader does not belong to', async () => {
        expect(await messages.page(conversationId, 'bob', { limit: 10 })).toEqual({ messages: [], headSeq: 0 });
        expect(await messages.page(conversationId, 'mallory', { limit: 10 })).toBeUndefined();
        expect(await messages.page(newId(), 'alice', { limit: 10 })).toBeUndefined();
      });
    });
  });
};
