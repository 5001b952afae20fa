import { expect, it } from 'vitest';
import { sampleConversation } from './conversation.js';
import { longestSilence } from './play.js';

it('the longest silence is that of the sender who says nothing for most messages, after the first quarter', () => {
  expect(longestSilence(['a', 'b', 'b', 'b', 'b', 'b', 'a', 'c'])).toEqual({ sender: 'c', from: 2, to: 7 });
  expect(longestSilence(['a', 'b', 'a', 'b'])).toMatchObject({ to: expect.any(Number) });
  expect(longestSilence([])).toEqual({ sender: '', from: 0, to: 0 });
});

it('the shipped conversation has a silence in its middle, long enough to lose a connection in', async () => {
  const { messages } = await sampleConversation();
  const { sender, from, to } = longestSilence(messages.map(({ sender }) => sender));
  expect(to - from).toBeGreaterThanOrEqual(4);
  expect(to).toBeLessThan(messages.length);
  expect(messages.slice(from, to).map((message) => message.sender)).not.toContain(sender);
});
