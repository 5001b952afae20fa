import { beforeEach, describe, expect, it } from 'vitest';
import { type MessageCreated, newEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import { ConversationSignal, UserSignal } from '#lib/contracts/live';
import { ServerFrame } from '#lib/contracts/socket';
import { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import { MemoryConversationStore } from '#lib/conversations/adapters/memory-conversation-store';
import { MemoryDeliveryLedger } from '#lib/conversations/adapters/memory-delivery-ledger';
import { MemoryMessageStore } from '#lib/conversations/adapters/memory-message-store';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { type ConversationPost, FanOutPort, type UserPost } from '#lib/live/fan-out/fan-out.port';
import { DependencyError } from '#lib/resilience/call/errors';
import { MemoryPresence } from '#lib/live/presence/adapters/memory-presence';
import { MemoryCurrentConversations } from './adapters/memory-current-conversations.js';
import { MemoryPushStore } from './adapters/push/memory-push-store.js';
import { type DeliveryEvent, DeliverMessages } from './deliver-messages.js';
import { MarkFailed } from './mark-failed.js';
import { PlanPushes } from './push/plan-pushes.js';

/** Writes down what it is to publish, call by call; fails while `isAway`. */
class RecordingFanOut extends FanOutPort {
  readonly calls: (readonly (ConversationPost | UserPost)[])[] = [];
  isAway = false;

  async publish(posts: readonly (ConversationPost | UserPost)[]): Promise<void> {
    if (this.isAway) throw new DependencyError('redis', 'publish', 'unavailable');
    for (const post of posts) for (const signal of post.signals) ('conversationId' in post ? ConversationSignal : UserSignal).parse(signal);
    this.calls.push(posts);
  }

  get posts() {
    return this.calls.flat();
  }

  ofConversation(id: string): ConversationSignal[] {
    return this.posts.flatMap((post) => ('conversationId' in post && post.conversationId === id ? post.signals : []));
  }

  ofUser(id: string): UserSignal[] {
    return this.posts.flatMap((post) => ('userId' in post && post.userId === id ? post.signals : []));
  }
}

const frameOf = (signal: { type: string } | undefined): ServerFrame =>
  ServerFrame.parse(JSON.parse(signal !== undefined && 'frame' in signal ? String(signal.frame) : 'null'));

describe('delivering', () => {
  let outbox: MemoryOutbox;
  let conversations: MemoryConversationStore;
  let messages: MemoryMessageStore;
  let fanOut: RecordingFanOut;
  let ledger: MemoryDeliveryLedger;
  let current: MemoryCurrentConversations;
  let pushes: MemoryPushStore;
  let deliver: DeliverMessages;
  let conversationId: string;
  beforeEach(async () => {
    const archive = new MemoryArchive();
    outbox = new MemoryOutbox();
    conversations = new MemoryConversationStore(archive, outbox);
    messages = new MemoryMessageStore(archive, outbox);
    fanOut = new RecordingFanOut();
    ledger = new MemoryDeliveryLedger();
    current = new MemoryCurrentConversations(archive);
    pushes = new MemoryPushStore();
    deliver = new DeliverMessages(current, fanOut, ledger, new PlanPushes(pushes, new MemoryPresence()));
    conversationId = (await conversations.create({ title: null, creatorId: 'alice', memberIds: ['bob'] })).id;
    await announced();
  });

  /** What was committed since the last call, as the relay would publish it. */
  const announced = async (): Promise<DeliveryEvent[]> => {
    const events = outbox.events as DeliveryEvent[];
    await outbox.remove(events.map(({ eventId }) => eventId));
    return events;
  };
  const say = async (content = 'Xin chào') =>
    (await messages.store({ conversationId, senderId: 'alice', content, priority: 'normal' })).message;
  const stateOf = async (id: string) => (await ledger.entriesOf([id])).get(id);

  it('sends a new message to the sockets of its conversation and records it', async () => {
    const message = await say();
    await deliver.handle(await announced());
    const [signal, ...more] = fanOut.ofConversation(conversationId);
    expect(more).toEqual([]);
    expect(signal).toMatchObject({
      type: 'message',
      change: 'created',
      messageId: message.id,
      seq: 1,
      version: 1,
      membersVersion: 0,
      atMs: message.createdAt.getTime(),
    });
    expect(frameOf(signal)).toMatchObject({
      type: 'message.created',
      conversationId,
      seq: 1,
      message: { content: 'Xin chào', senderId: 'alice' },
    });
    expect(await stateOf(message.id)).toEqual({ messageId: message.id, version: 1, state: 'delivered' });
  });

  it('names the pushes that are due for new messages, once they are on their way to the sockets', async () => {
    pushes.conversations.set(conversationId, { title: null, readSeqs: new Map([['bob', 0]]), messages: [] });
    pushes.devices.set('bob', new Map([['phone', { provider: 'fcm', token: 'x' }]]));
    const message = await say();
    const created = await announced();
    expect(await deliver.handle(created)).toMatchObject([
      { type: 'push.due', data: { messageId: message.id, seq: 1, userId: 'bob', deviceId: 'phone' } },
    ]);
    await messages.edit({ id: message.id, actor: 'alice' }, 'second');
    expect(await deliver.handle(await announced())).toEqual([]);
    fanOut.isAway = true;
    await expect(deliver.handle(created)).rejects.toMatchObject({ dependency: 'redis' });
  });

  it('publishes to each conversation once per batch, in the order of seq', async () => {
    for (let i = 1; i <= 5; i += 1) await say(`message ${i}`);
    const events = await announced();
    await deliver.handle([3, 0, 4, 1, 2].flatMap((i) => events[i] ?? []));
    expect(fanOut.posts).toHaveLength(1);
    expect(fanOut.ofConversation(conversationId)).toMatchObject([1, 2, 3, 4, 5].map((seq) => ({ seq })));
  });

  it('sends what a message is now, whatever it was when the event was made', async () => {
    const message = await say();
    await messages.edit({ id: message.id, actor: 'alice' }, 'second');
    await messages.edit({ id: message.id, actor: 'alice' }, 'third');
    const [created, ...edits] = await announced();
    await deliver.handle([created, ...edits] as DeliveryEvent[]);
    const signals = fanOut.ofConversation(conversationId);
    expect(signals).toMatchObject([
      { change: 'created', version: 3 },
      { change: 'edited', version: 3 },
    ]);
    expect(signals.map((signal) => frameOf(signal))).toMatchObject([{ message: { content: 'third' } }, { message: { content: 'third' } }]);
    expect(await stateOf(message.id)).toMatchObject({ version: 3 });
  });

  it('records the version of the event, so that an edit whose event is still to come is pending', async () => {
    const message = await say();
    await messages.edit({ id: message.id, actor: 'alice' }, 'second');
    const [created, edited] = await announced();
    await deliver.handle([created].flatMap((event) => event ?? []));
    expect(await stateOf(message.id)).toMatchObject({ version: 1 });
    await deliver.handle([edited].flatMap((event) => event ?? []));
    expect(await stateOf(message.id)).toMatchObject({ version: 2 });
  });

  it('shows nothing of a deleted message, in whatever order its events come', async () => {
    const message = await say('a secret');
    await messages.edit({ id: message.id, actor: 'alice' }, 'another secret');
    await messages.delete({ id: message.id, actor: 'alice' });
    const events = await announced();
    await deliver.handle(events.toReversed());
    for (const event of events) await deliver.handle([event]);
    expect(JSON.stringify(fanOut.posts)).not.toContain('secret');
    const changes = fanOut.ofConversation(conversationId).map((signal) => ('change' in signal ? signal.change : ''));
    expect(new Set(changes)).toEqual(new Set(['created', 'deleted']));
  });

  describe('an event that is not true', () => {
    const forged = (facts: Partial<MessageCreated['data']>) =>
      newEvent('message.created', {
        messageId: newId(),
        conversationId,
        seq: 1,
        senderId: 'mallory',
        version: 1,
        createdAt: new Date().toISOString(),
        content: 'forged',
        ...facts,
      });

    it('of a message that does not exist sends nothing', async () => {
      await deliver.handle([forged({})]);
      expect(fanOut.posts).toEqual([]);
    });

    it('cannot change what a message says, nor move it to another conversation', async () => {
      const message = await say('real');
      const elsewhere = newId();
      await deliver.handle([forged({ messageId: message.id, conversationId: elsewhere, seq: 99, content: 'forged' })]);
      expect(fanOut.ofConversation(elsewhere)).toEqual([]);
      expect(frameOf(fanOut.ofConversation(conversationId)[0])).toMatchObject({ seq: 1, message: { content: 'real', senderId: 'alice' } });
    });

    it('of a deletion or an edit that did not happen sends nothing', async () => {
      const message = await say();
      await announced();
      const facts = { ...forged({ messageId: message.id }).data, version: 2 };
      const at = new Date().toISOString();
      await deliver.handle([
        newEvent('message.deleted', { ...facts, deletedAt: at }),
        newEvent('message.edited', { ...facts, content: 'forged', editedAt: at }),
      ]);
      expect(fanOut.posts).toEqual([]);
      expect(await stateOf(message.id)).toBeUndefined();
    });

    it('of members and receipts sends what is true instead', async () => {
      await say();
      await announced();
      await deliver.handle([
        newEvent('member.added', { conversationId, userId: 'mallory', headSeq: 0, membersVersion: 77 }),
        newEvent('member.added', { conversationId, userId: 'bob', headSeq: 500, membersVersion: 77 }),
        newEvent('member.removed', { conversationId: newId(), userId: 'bob', membersVersion: 77 }),
        newEvent('receipt.recorded', { conversationId, userId: 'bob', deliveredSeq: 99, readSeq: 99 }),
        newEvent('receipt.recorded', { conversationId, userId: 'mallory', deliveredSeq: 1, readSeq: 1 }),
      ]);
      expect(fanOut.ofUser('mallory')).toEqual([]);
      expect(fanOut.ofUser('bob')).toEqual([{ type: 'joined', conversationId, headSeq: 1 }]);
      expect(fanOut.ofConversation(conversationId)).toEqual([
        { type: 'members', membersVersion: 0 },
        { type: 'members', membersVersion: 0 },
        { type: 'receipt', userId: 'bob', deliveredSeq: 0, readSeq: 0 },
      ]);
    });
  });

  describe('changes of members', () => {
    it('reach the sockets of each member of a new conversation, some hundred at once', async () => {
      const memberIds = Array.from({ length: 1_000 }, (_, i) => `user-${i}`);
      const started = await conversations.create({ title: null, creatorId: 'alice', memberIds });
      await deliver.handle(await announced());
      expect(fanOut.ofUser('user-999')).toEqual([{ type: 'joined', conversationId: started.id, headSeq: 0 }]);
      expect(fanOut.posts).toHaveLength(1_001);
      expect(Math.max(...fanOut.calls.map((posts) => posts.length))).toBe(500);
    });

    it('reach a user that was added, with the head of that moment, and the others', async () => {
      await say();
      await conversations.addMember(conversationId, 'alice', 'carol');
      await say();
      await deliver.handle(await announced());
      expect(fanOut.ofUser('carol')).toEqual([{ type: 'joined', conversationId, headSeq: 1 }]);
      expect(fanOut.ofConversation(conversationId)).toMatchObject([
        { type: 'members', membersVersion: 1 },
        { seq: 1, membersVersion: 1 },
        { seq: 2, membersVersion: 1 },
      ]);
    });

    it('tell the conversation that a user was removed, and do not invite one that was removed again', async () => {
      await conversations.addMember(conversationId, 'alice', 'carol');
      await conversations.removeMember(conversationId, 'alice', 'carol');
      await deliver.handle(await announced());
      expect(fanOut.ofUser('carol')).toEqual([]);
      expect(fanOut.ofConversation(conversationId)).toEqual([
        { type: 'members', membersVersion: 2 },
        { type: 'members', membersVersion: 2 },
      ]);
    });
  });

  describe('receipts', () => {
    it('of one member in one batch become the newest', async () => {
      for (let i = 0; i < 9; i += 1) await say();
      for (let readSeq = 1; readSeq <= 9; readSeq += 1) await conversations.recordReceipt(conversationId, 'bob', { readSeq });
      await conversations.recordReceipt(conversationId, 'alice', { deliveredSeq: 9 });
      await deliver.handle((await announced()).filter(({ type }) => type === 'receipt.recorded'));
      expect(fanOut.ofConversation(conversationId)).toEqual([
        { type: 'receipt', userId: 'bob', deliveredSeq: 9, readSeq: 9 },
        { type: 'receipt', userId: 'alice', deliveredSeq: 9, readSeq: 0 },
      ]);
    });

    it('go to the reader alone in a conversation of more than 100 members', async () => {
      const memberIds = Array.from({ length: 100 }, (_, i) => `user-${i}`);
      const { id } = await conversations.create({ title: null, creatorId: 'alice', memberIds });
      await messages.store({ conversationId: id, senderId: 'alice', content: 'hello', priority: 'normal' });
      await announced();
      await conversations.recordReceipt(id, 'user-7', { readSeq: 1 });
      await deliver.handle(await announced());
      expect(fanOut.ofConversation(id)).toEqual([]);
      expect(fanOut.ofUser('user-7').map((signal) => frameOf(signal))).toEqual([
        { type: 'receipt', conversationId: id, userId: 'user-7', deliveredSeq: 1, readSeq: 1 },
      ]);
    });
  });

  it('tells the sender of a message, and no other user, that it can be found by meaning', async () => {
    const message = await say();
    await announced();
    const facts = { conversationId, seq: 7, messageVersion: 1, chunkCount: 1, model: 'm', senderId: 'mallory' };
    await deliver.handle([newEvent('message.embedded', { messageId: message.id, ...facts })]);
    expect(fanOut.posts).toHaveLength(1);
    expect(fanOut.ofUser('alice').map((signal) => frameOf(signal))).toEqual([
      { type: 'message.indexed', messageId: message.id, conversationId, seq: 1 },
    ]);
    expect(await stateOf(message.id)).toBeUndefined();
  });

  it('tells a user, and no other, what the end of a conversation did to its score', async () => {
    const facts = { userId: 'alice', conversationId: 'chat-1', scoreChange: 12, score: 112, level: 'acquaintance' } as const;
    const updated = { ...facts, degraded: false, version: 3, updatedAt: new Date().toISOString() };
    const endId = newId();
    current.committedScores.push({ endId, ...updated });
    // What the event says beside its end and version is not asked.
    expect(await deliver.handle([newEvent('score.updated', { endId, ...updated, score: 9_000, scoreChange: 8_900 })])).toEqual([]);
    expect(fanOut.posts).toHaveLength(1);
    expect(fanOut.ofUser('alice').map((signal) => frameOf(signal))).toEqual([{ type: 'score.updated', ...updated }]);
  });

  it('tells nothing of a score that is not in Postgres', async () => {
    const facts = {
      userId: 'alice',
      conversationId: 'chat-1',
      scoreChange: 12,
      score: 112,
      level: 'acquaintance',
      degraded: false,
    } as const;
    const updated = { endId: newId(), ...facts, version: 3, updatedAt: new Date().toISOString() };
    current.committedScores.push(updated);
    const forged = [{ endId: newId() }, { userId: 'mallory' }, { version: 4 }].map((change) =>
      newEvent('score.updated', { ...updated, ...change }),
    );
    await deliver.handle(forged);
    expect(fanOut.posts).toEqual([]);
  });

  it('records nothing while signals cannot go out, and all of it when the batch comes again', async () => {
    const message = await say();
    const events = await announced();
    fanOut.isAway = true;
    await expect(deliver.handle(events)).rejects.toThrow(DependencyError);
    expect(await stateOf(message.id)).toBeUndefined();
    fanOut.isAway = false;
    await deliver.handle(events);
    expect(await stateOf(message.id)).toMatchObject({ state: 'delivered' });
  });

  describe('a dead letter', () => {
    const markFailed = () => new MarkFailed(current, ledger);

    it('marks its message as failed until it is delivered', async () => {
      const message = await say();
      const [event] = await announced();
      if (event === undefined) throw new Error('nothing was announced');
      await markFailed().mark(event);
      expect(await stateOf(message.id)).toMatchObject({ version: 1, state: 'failed' });
      await deliver.handle([event]);
      expect(await stateOf(message.id)).toMatchObject({ version: 1, state: 'delivered' });
      await markFailed().mark(event);
      expect(await stateOf(message.id)).toMatchObject({ state: 'delivered' });
    });

    it('of an older version, of no message, and of something else marks nothing', async () => {
      const message = await say();
      await messages.edit({ id: message.id, actor: 'alice' }, 'newer');
      const [created] = await announced();
      const added = newEvent('member.added', { conversationId, userId: 'carol', headSeq: 0, membersVersion: 1 });
      for (const event of [created, added]) if (event !== undefined) await markFailed().mark(event);
      expect(await stateOf(message.id)).toBeUndefined();
    });
  });
});
