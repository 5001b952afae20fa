import { expect, it } from 'vitest';
import { AdminStream } from './admin-stream.js';

const textOf = (stream: AdminStream): string => {
  let text = '';
  for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null) text += chunk.toString();
  return text;
};

it('a reader that has not read for long gets the newest of each section, once', () => {
  const stream = new AdminStream();
  for (let i = 0; i < 10_000; i += 1) {
    stream.put('queues', `{"n":${i}}`);
    stream.put('outbox', `{"n":${i}}`);
  }
  expect(stream.readableLength).toBeLessThan(100);
  const text = textOf(stream);
  // The first was handed over before the reader fell behind.
  expect(text.match(/event: queues/g)?.length).toBeLessThanOrEqual(2);
  expect(text.match(/event: outbox/g)?.length).toBe(1);
  expect(text).toContain('event: queues\ndata: {"n":9999}\n\n');
  expect(text).toContain('event: outbox\ndata: {"n":9999}\n\n');
  stream.destroy();
});

it('the goaway is the last event, and what was not taken before it is dropped', async () => {
  const stream = new AdminStream();
  textOf(stream);
  for (const n of [1, 2, 3]) stream.put('queues', `{"n":${n}}`);
  stream.goAway({ reason: 'draining', retryInMs: 5 });
  stream.put('queues', '{"n":4}');
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  expect(text).not.toContain('{"n":4}');
  expect(text.endsWith('event: goaway\ndata: {"reason":"draining","retryInMs":5}\n\n')).toBe(true);
});
