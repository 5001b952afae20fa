import { afterAll, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded } from '#lib/resilience/call/errors';
import { createLogger } from '#lib/runtime/log/logger';
import { aMessageCreated } from '#lib/testing/builders';
import { chunkMessages } from '../chunk-message.js';
import { ChunkThreads } from './chunk-threads.js';

const threads = new ChunkThreads(2, createLogger('test', 'silent'));
afterAll(() => threads.close());

const parts = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    ...aMessageCreated({ content: `Một đoạn ${i} của tài liệu. `.repeat(500) }).data,
    documentId: newId(),
  }));

describe('threads that cut documents', () => {
  it('make the same chunks as the event loop, each with its document', async () => {
    const sources = parts(3);
    const chunks = await threads.chunk(sources);
    expect(chunks).toEqual(await chunkMessages(sources));
    expect(chunks.map(([first]) => first?.documentId)).toEqual(sources.map(({ documentId }) => documentId));
    expect(await threads.chunk([])).toEqual([]);
  });

  it('end their work with the deadline of who waits for it', async () => {
    await expect(withDeadline(1, () => threads.chunk(parts(200)))).rejects.toBeInstanceOf(DeadlineExceeded);
    expect(await threads.chunk(parts(1))).toHaveLength(1);
  });
});
