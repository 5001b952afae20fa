import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { messagesOf } from '../../../libs/testing/src/scripted-socket-server.js';
import { ChangeStream } from './change-stream.js';
import type { Change } from './ordered-conversation.js';

const changes = messagesOf(randomUUID(), 20).map(
  (message): Change => ({ type: 'created', conversationId: message.conversationId, seq: message.seq, message }),
);

function given(limit: number) {
  const told = { room: 0, left: 0 };
  const stream = new ChangeStream(
    limit,
    () => (told.room += 1),
    () => (told.left += 1),
  );
  return { stream, told, put: (count: number) => changes.slice(0, count).forEach((change) => stream.put(change)) };
}

it('a stream says that it is full, and that half of it was taken', async () => {
  const { stream, told, put } = given(4);
  put(3);
  expect(stream.hasRoom).toBe(true);
  put(1);
  expect(stream.hasRoom).toBe(false);
  await stream.next();
  expect(told.room).toBe(0);
  await stream.next();
  expect(told.room).toBe(1);
});

it('a stream of one says after each that there is room', async () => {
  const { stream, told, put } = given(1);
  put(1);
  await stream.next();
  expect(told.room).toBe(1);
});

it('a stream counts what the loop is still at as unfinished', async () => {
  const { stream, put } = given(4);
  put(2);
  await stream.next();
  expect(stream.unfinished().map(({ seq }) => seq)).toEqual([1, 2]);
  await stream.next();
  expect(stream.unfinished().map(({ seq }) => seq)).toEqual([2]);
});

it('a loop gets what waits for it before it ends', async () => {
  const { stream, put } = given(4);
  put(2);
  stream.end();
  const seqs: number[] = [];
  for await (const { seq } of stream) seqs.push(seq);
  expect(seqs).toEqual([1, 2]);
});

it('a loop that waits ends with the error that is given', async () => {
  const { stream } = given(4);
  const next = stream.next();
  stream.end(new Error('refused'));
  await expect(next).rejects.toThrow('refused');
  expect(await stream.next()).toEqual({ done: true, value: undefined });
});

it('a loop that is left gives its room back', async () => {
  const { stream, told, put } = given(4);
  put(4);
  for await (const _ of stream) break;
  expect(told.left).toBe(1);
  expect(stream.unfinished()).toEqual([]);
});
