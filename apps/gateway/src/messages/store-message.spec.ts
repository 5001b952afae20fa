import { describe, expect, it } from 'vitest';
import { MemoryBus } from '#lib/bus/adapters/memory/memory-bus';
import { MemoryRequester } from '#lib/bus/adapters/memory/memory-requester';
import { PublisherPort, type PublishOutcome } from '#lib/bus/publish/publisher.port';
import { newId } from '#lib/contracts/ids';
import { AcceptMessage } from '#lib/conversations/accept-message';
import { MemoryArchive } from '#lib/conversations/adapters/memory-archive';
import { MemoryConversationStore } from '#lib/conversations/adapters/memory-conversation-store';
import { MemoryMessageStore } from '#lib/conversations/adapters/memory-message-store';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { Pressure } from '#lib/resilience/load/pressure';
import { createLogger } from '#lib/runtime/log/logger';
import { eventually } from '#lib/testing/eventually';
import { EmbedNow } from './embed-now.js';
import { StoreMessage } from './store-message.js';

/** A broker that takes everything and never confirms anything. */
class SilentPublisher extends PublisherPort {
  readonly isHealthy = true;
  override publish(): Promise<PublishOutcome> {
    return new Promise(() => undefined);
  }
}
/** A broker that is not there. */
class AbsentPublisher extends PublisherPort {
  readonly isHealthy = false;
  override publish(): Promise<PublishOutcome> {
    return Promise.resolve({ kind: 'ambiguous', reason: 'not connected' });
  }
}

const setUp = async (publisher: PublisherPort) => {
  const archive = new MemoryArchive();
  const outbox = new MemoryOutbox();
  const relay = new OutboxRelay(outbox, publisher, { sweepMs: 1_000, graceMs: 5_000 }, createLogger('test', 'fatal'));
  const { id: conversationId } = await new MemoryConversationStore(archive, outbox).create({
    title: null,
    creatorId: 'alice',
    memberIds: ['alice'],
  });
  await outbox.remove(outbox.events.map(({ eventId }) => eventId));
  const storeMessage = new StoreMessage(
    new AcceptMessage(new MemoryMessageStore(archive, outbox), relay),
    new EmbedNow(new MemoryRequester(), new Pressure([], createLogger('test', 'silent'))),
  );
  const send = (content: string, key?: string) =>
    storeMessage.execute({ conversationId, senderId: 'alice', content, priority: 'normal', key, requestId: 'r-1' });
  return { send, outbox, archive, storeMessage };
};
const memoryBus = () => new MemoryBus({ bufferSize: 10, publishTimeoutMs: 1_000 });

describe('storing a message', () => {
  it('announces it, and forgets the promise when the broker has it', async () => {
    const bus = memoryBus();
    const { send, outbox } = await setUp(bus);
    const stored = await send('hello');
    expect(stored).toMatchObject({ replayed: false, message: { seq: 1, content: 'hello' } });
    await eventually(() => expect(bus.queue('embedding.messages').readyCount).toBe(1));
    await eventually(() => expect(outbox.events).toEqual([]));
  });

  it('does not announce a replay', async () => {
    const bus = memoryBus();
    const { send } = await setUp(bus);
    const [first, second] = [await send('hello', 'k'), await send('hello', 'k')];
    expect(second).toMatchObject({ replayed: true, message: { id: first.message.id } });
    await eventually(() => expect(bus.queue('embedding.messages').readyCount).toBe(1));
  });

  it.each([
    ['never confirms', new SilentPublisher()],
    ['is not there', new AbsentPublisher()],
  ])('waits for no broker: one that %s costs the sender nothing, and the outbox keeps the promise', async (_, publisher) => {
    const { send, outbox } = await setUp(publisher);
    const startedAt = performance.now();
    await send('hello');
    // A publish may take 5 s.
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(outbox.events).toMatchObject([{ type: 'message.created', data: { content: 'hello', seq: 1 } }]);
  });

  it('promises nothing for what was not stored', async () => {
    const { storeMessage, outbox } = await setUp(memoryBus());
    const draft = { conversationId: newId(), senderId: 'alice', content: 'hello', priority: 'normal' as const };
    await expect(storeMessage.execute(draft)).rejects.toMatchObject({ code: 'not-found' });
    expect(outbox.events).toEqual([]);
  });
});
