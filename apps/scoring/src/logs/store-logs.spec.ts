import { beforeEach, describe, expect, it } from 'vitest';
import { type ConversationEnded, newEvent } from '#lib/contracts/events';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { MemoryObjectStore } from '#lib/objects/adapters/memory-object-store';
import { NoObjectStore } from '#lib/objects/adapters/no-object-store';
import { MemoryConversationEndStore } from '#lib/scores/ends/adapters/memory-conversation-end-store';
import { StoreLogs } from './store-logs.js';

let ends: MemoryConversationEndStore;
let objects: MemoryObjectStore;
beforeEach(() => {
  ends = new MemoryConversationEndStore(new MemoryOutbox(), () => undefined);
  objects = new MemoryObjectStore();
});

const ended = async (bodyHash = 'a'): Promise<ConversationEnded> => {
  const now = new Date();
  const draft = { conversationId: 'robot-7', userId: 'alice', startTime: now, endTime: now, bodyHash, log: Buffer.from('packed') };
  const { event } = await ends.end(draft);
  if (event === undefined) throw new Error('this end was there before');
  return event;
};
const stateOf = async ({ data }: ConversationEnded) => (await ends.find(data.endId))?.log?.state;

describe('a log of a conversation that ended', () => {
  it('is moved to the object store', async () => {
    const event = await ended();
    await new StoreLogs(ends, objects).handle([event]);
    const [[key, object] = []] = objects.objects;
    expect(key).toBe((await ends.find(event.data.endId))?.log?.objectKey);
    expect(object).toMatchObject({ bytes: Buffer.from('packed'), about: { contentEncoding: 'gzip' } });
    expect([await stateOf(event), await ends.stagedLog(event.data.endId)]).toEqual(['stored', undefined]);
  });

  it('is moved once, however often its event comes, also when a crash came before the commit', async () => {
    const event = await ended();
    const storeLogs = new StoreLogs(ends, objects);
    await objects.put((await ends.find(event.data.endId))?.log?.objectKey ?? '', Buffer.from('packed'), { contentType: 'x' });
    await storeLogs.handle([event, event]);
    await storeLogs.handle([event]);
    expect([objects.objects.size, await stateOf(event)]).toEqual([1, 'stored']);
  });

  it('does not come back when its user is erased while it is moved', async () => {
    const event = await ended();
    const put = objects.put.bind(objects);
    objects.put = async (...args) => {
      await put(...args);
      await ends.removeOf('alice', 10);
    };
    await new StoreLogs(ends, objects).handle([event]);
    expect(objects.objects.size).toBe(0);
  });

  it('stays in Postgres where there is no object store', async () => {
    const event = await ended();
    await new StoreLogs(ends, new NoObjectStore()).handle([event]);
    expect([await stateOf(event), (await ends.stagedLog(event.data.endId))?.toString()]).toEqual(['staged', 'packed']);
  });

  it('of an unknown end is none', async () => {
    const facts = {
      endId: '01980000-0000-7000-8000-000000000000',
      conversationId: 'x',
      userId: 'alice',
      endedAt: new Date().toISOString(),
    };
    await new StoreLogs(ends, objects).handle([newEvent('conversation.ended', facts)]);
    expect(objects.objects.size).toBe(0);
  });
});
