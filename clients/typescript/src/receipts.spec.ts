import { expect, it } from 'vitest';
import { Receipts } from './receipts.js';

const all = (receipts: Receipts) => {
  const frames = [];
  for (let next = receipts.next(); next !== undefined; next = receipts.next()) frames.push(next);
  return frames;
};

it('many receipts of a conversation go as one, with the highest numbers', () => {
  const receipts = new Receipts();
  for (const seq of [3, 9, 5]) receipts.put('one', { deliveredSeq: seq });
  receipts.put('one', { readSeq: 2 });
  receipts.put('other', { readSeq: 1 });
  expect(all(receipts)).toEqual([
    { type: 'receipt', conversationId: 'one', deliveredSeq: 9, readSeq: 2 },
    { type: 'receipt', conversationId: 'other', readSeq: 1 },
  ]);
  expect(all(receipts)).toEqual([]);
});

it('receipts that a lost connection may have lost go again, older ones do not', () => {
  const receipts = new Receipts();
  const send = (conversationId: string) => {
    receipts.put(conversationId, { readSeq: 1 });
    all(receipts);
  };
  send('old');
  receipts.pinged();
  send('recent');
  receipts.pinged();
  send('new');
  receipts.repeatAll();
  expect(all(receipts).map(({ conversationId }) => conversationId)).toEqual(['recent', 'new']);
});

it('receipts that the server could not record go again', () => {
  const receipts = new Receipts();
  receipts.put('one', { readSeq: 1 });
  all(receipts);
  expect(receipts.failed('one')).toBe(true);
  expect(receipts.failed('other')).toBe(false);
  expect(all(receipts)).toEqual([{ type: 'receipt', conversationId: 'one', readSeq: 1 }]);
});
