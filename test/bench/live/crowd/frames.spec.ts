import { expect, it } from 'vitest';
import { clientFrame, eachFrame, seqOf } from './frames.js';

const serverFrame = (text: string): Buffer => {
  const payload = Buffer.from(text);
  const { length } = payload;
  const head = length < 126 ? [0x81, length] : [0x81, 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), payload]);
};
const message = (seq: number) =>
  JSON.stringify({ type: 'message.created', conversationId: 'c', seq, message: { seq: 9_999, content: 'x'.repeat(200) } });

it('the load generator finds every whole frame, and the seq of messages alone', () => {
  const texts = [message(1), '{"type":"ping","serverTime":"2026-11-22T00:00:00Z"}', message(1_234), `{"type":"receipt","seq":5}`];
  const bytes = Buffer.concat(texts.map(serverFrame));
  const seen: number[] = [];
  const rest = eachFrame(bytes, 0, bytes.length - 1, (_opcode, all, start, end) => seen.push(seqOf(all, start, end)));
  expect(seen).toEqual([1, 0, 1_234]);
  expect(bytes.length - rest).toBe(serverFrame(texts[3] ?? '').length);
});

it('the load generator masks its frames with zeros', () => {
  const frame = clientFrame(1, Buffer.from('{"type":"pong"}'));
  expect(frame.subarray(6).toString()).toBe('{"type":"pong"}');
  expect([frame[0], frame[1]]).toEqual([0x81, 0x80 | 15]);
});
