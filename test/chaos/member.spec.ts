import { expect, it } from 'vitest';
import type { Message } from '#client/frames';
import { ConversationOfMember } from './member.js';

const change = (type: 'created' | 'edited', seq: number, version = 1) => ({
  type,
  conversationId: 'c',
  seq,
  message: { id: `m${seq}`, version, content: `v${version}` } as Message,
});

it("a member's log tells what came twice, out of order, or older than what was there", () => {
  const log = new ConversationOfMember('c');
  for (const each of [change('created', 1), change('created', 2), change('edited', 1, 2), change('edited', 2, 3)]) log.take(each, 'an');
  expect([log.duplicated, log.outOfOrder, log.wentBack].flat()).toEqual([]);
  expect([log.head, log.messages[1]?.content, log.messages[2]?.content]).toEqual([2, 'v2', 'v3']);

  log.take(change('created', 2), 'an');
  log.take(change('created', 4), 'an');
  log.take(change('edited', 1, 1), 'an');
  log.take(change('edited', 4, 1), 'an');
  expect([log.duplicated.length, log.outOfOrder.length, log.wentBack.length]).toEqual([2, 1, 1]);
});
