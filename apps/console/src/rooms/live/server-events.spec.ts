import { expect, it } from 'vitest';
import { type ServerEvent, serverEvents } from './server-events.js';

async function* inPieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

const eventsOf = async (text: string, size = 1_000): Promise<ServerEvent[]> => {
  const events: ServerEvent[] = [];
  for await (const event of serverEvents(inPieces(text, size))) events.push(event);
  return events;
};

it('events are the same wherever the network cuts them, inside a character too', async () => {
  const text = ': hello\n\nevent: queues\ndata: {"name":"hàng đợi"}\n\ndata: one\r\ndata: two\r\n\r\nevent: ping\n\n';
  for (const size of [1, 2, 3, 7, 1_000]) {
    expect(await eventsOf(text, size)).toEqual([
      { kind: 'comment', name: '', data: 'hello' },
      { kind: 'event', name: 'queues', data: '{"name":"hàng đợi"}' },
      { kind: 'event', name: 'message', data: 'one\ntwo' },
    ]);
  }
});

it('an event that the end of the stream cuts off is not one', async () => {
  expect(await eventsOf('data: whole\n\ndata: half')).toEqual([{ kind: 'event', name: 'message', data: 'whole' }]);
});

it('a line without an end is refused instead of kept for ever', async () => {
  await expect(eventsOf(`data: ${'x'.repeat(1_000_001)}`, 100_000)).rejects.toThrow(RangeError);
});
