import { expect, it } from 'vitest';
import { type HeldVector, HeldVectors } from './held-vectors.js';

const vector = (id: string, conversationId: string, length = 100): HeldVector => ({
  id,
  messageId: id,
  conversationId,
  senderId: 'alice',
  isDocument: false,
  createdAtMs: 0,
  embedding: new Float32Array(length),
});
const idsOf = (held: HeldVectors, conversation: string) => {
  const vectors = held.of(conversation);
  return vectors === undefined ? undefined : [...vectors].map(({ id }) => id);
};
const read = (held: HeldVectors, conversation: string, ...vectors: HeldVector[]) => {
  const reading = held.begin([conversation]);
  reading.add(vectors);
  reading.end();
};

it('a conversation that was read is held whole, one without vectors too, and follows what is written', () => {
  const held = new HeldVectors(10_000);
  expect(idsOf(held, 'a')).toBeUndefined();
  read(held, 'a', vector('1', 'a'), vector('2', 'a'));
  read(held, 'empty');
  held.put([vector('3', 'a'), vector('9', 'not held')]);
  held.drop([{ id: '1', conversationId: 'a' }]);
  expect([idsOf(held, 'a'), idsOf(held, 'empty'), idsOf(held, 'not held')]).toEqual([['2', '3'], [], undefined]);
});

it('a conversation that is written while it is read is not held: the read may not have seen the write', () => {
  const held = new HeldVectors(10_000);
  const reading = held.begin(['a', 'b']);
  held.put([vector('new', 'a')]);
  reading.add([vector('1', 'b')]);
  reading.end();
  expect([idsOf(held, 'a'), idsOf(held, 'b')]).toEqual([undefined, ['1']]);
});

it('conversations leave in the order of their last search when there is no room, and one that is too large does not come in', () => {
  const held = new HeldVectors(3_000); // an empty conversation costs 400 bytes, a vector of 100 floats 800
  read(held, 'a', vector('1', 'a'));
  read(held, 'b', vector('2', 'b'));
  held.of('a');
  read(held, 'c', vector('3', 'c'));
  expect([idsOf(held, 'a'), idsOf(held, 'b'), idsOf(held, 'c')]).toEqual([['1'], undefined, ['3']]);
  read(held, 'd', ...['4', '5', '6', '7'].map((id) => vector(id, 'd')));
  expect([idsOf(held, 'd'), idsOf(held, 'a')]).toEqual([undefined, ['1']]);
  held.put(['8', '9'].map((id) => vector(id, 'c')));
  expect([idsOf(held, 'a'), idsOf(held, 'c')]).toEqual([['1'], undefined]);
});

it('readings that are under way hold no more than the limit together', () => {
  const held = new HeldVectors(3_000);
  const readings = ['a', 'b', 'c'].map((id) => held.begin([id]));
  readings.forEach((reading, i) => reading.add([vector(`${i}`, 'abc'[i] ?? '')]));
  for (const reading of readings) reading.end();
  expect(['a', 'b', 'c'].map((id) => idsOf(held, id))).toEqual([['0'], ['1'], undefined]);
  expect([held.readingCount, held['readingBytes']]).toEqual([0, 0]);
});

it('a search that is under way meets a vector that is written anew once, in its place', () => {
  const held = new HeldVectors(10_000);
  read(held, 'a', vector('1', 'a'), vector('2', 'a'));
  const seen: string[] = [];
  for (const { id } of held.of('a') ?? []) {
    seen.push(id);
    if (seen.length === 1) held.put([vector('1', 'a', 50)]);
    if (seen.length > 5) break;
  }
  expect(seen).toEqual(['1', '2']);
});

it('what is not sure is forgotten, also what is being read', () => {
  const held = new HeldVectors(10_000);
  read(held, 'a', vector('1', 'a'));
  const reading = held.begin(['b']);
  reading.add([vector('2', 'b')]);
  held.clear();
  reading.end();
  expect([idsOf(held, 'a'), idsOf(held, 'b')]).toEqual([undefined, undefined]);
});
