import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { edited, messagesOf } from '../../../libs/testing/src/scripted-socket-server.js';
import type { Message } from './frames.js';
import { type Change, MAX_HELD, OrderedConversation } from './ordered-conversation.js';
import { SeenVersions } from './seen-versions.js';

const NOW = '2026-11-22T10:00:00.000Z';

function given({ after }: { after?: number } = {}) {
  const id = randomUUID();
  const all = messagesOf(id, 400);
  const message = (seq: number): Message => all[seq - 1] ?? fail(`no message ${seq}`);
  const shown: Change[] = [];
  const reader = {
    room: Number.POSITIVE_INFINITY,
    hasRoom: () => reader.room > shown.length,
    take: (change: Change) => void shown.push(change),
  };
  const conversation = new OrderedConversation(id, reader, new SeenVersions());
  if (after !== undefined) {
    conversation.follow({ conversationId: id, seq: after });
    conversation.asked();
  }
  const receive = (type: Change['type'], message: Message) =>
    conversation.receive({ type: `message.${type}`, conversationId: id, seq: message.seq, message }, NOW);
  const created = (...seqs: number[]) => seqs.forEach((seq) => receive('created', message(seq)));
  const lines = () => shown.map(({ type, seq, message }) => `${type} ${seq} v${message.version}`);
  return { id, conversation, reader, message, receive, created, shown, lines, seqs: () => shown.map(({ seq }) => seq) };
}

function fail(reason: string): never {
  throw new Error(reason);
}

describe('a conversation', () => {
  it('begins with the first message that arrives', () => {
    const { created, seqs, conversation } = given();
    created(41, 42, 40);
    expect(seqs()).toEqual([41, 42]);
    expect(conversation.isIncomplete).toBe(false);
  });

  it('shows each message once, in order, whatever order they come in', () => {
    const { created, seqs } = given({ after: 0 });
    created(3, 1, 1, 2, 5, 3, 4, 4);
    expect(seqs()).toEqual([1, 2, 3, 4, 5]);
  });

  it('shows nothing after a gap until it is filled, and says where it is', () => {
    const { created, seqs, conversation, id } = given({ after: 7 });
    created(9, 10);
    expect(seqs()).toEqual([]);
    expect(conversation.isIncomplete).toBe(true);
    expect(conversation.point(undefined)).toEqual({ conversationId: id, seq: 7 });
    created(8);
    expect(seqs()).toEqual([8, 9, 10]);
    expect(conversation.isIncomplete).toBe(false);
  });

  it('holds a bounded number of messages after a gap, the nearest ones', () => {
    const { created, seqs, conversation } = given({ after: 0 });
    created(...Array.from({ length: 350 }, (_, i) => i + 2));
    created(1);
    expect(seqs()).toHaveLength(MAX_HELD);
    expect(conversation.isIncomplete).toBe(true);
    created(...Array.from({ length: 351 }, (_, i) => i + 1));
    expect(seqs()).toEqual(Array.from({ length: 351 }, (_, i) => i + 1));
  });

  it('learns of a hole from the newest seq that the server names', () => {
    const { conversation } = given({ after: 3 });
    conversation.head(3);
    expect(conversation.isIncomplete).toBe(false);
    conversation.head(4);
    expect(conversation.isIncomplete).toBe(true);
  });

  it('shows the newest message of a conversation that it hears of by its newest seq alone', () => {
    const { conversation, created, seqs } = given();
    conversation.head(9);
    expect(conversation.point(undefined)?.seq).toBe(8);
    created(9);
    expect(seqs()).toEqual([9]);
  });

  it('passes each version of a change on once', () => {
    const { created, receive, message, lines } = given({ after: 0 });
    created(1);
    receive('edited', edited(message(1), 2));
    receive('edited', edited(message(1), 2));
    receive('deleted', { ...edited(message(1), 4), deletedAt: NOW });
    receive('edited', edited(message(1), 3));
    expect(lines()).toEqual(['created 1 v1', 'edited 1 v2', 'deleted 1 v4']);
  });

  it('shows a message that was edited before it arrived once, in its newest state', () => {
    const { created, receive, message, lines } = given({ after: 0 });
    receive('edited', edited(message(2), 3));
    created(2);
    receive('edited', edited(message(2), 2));
    created(1);
    expect(lines()).toEqual(['created 1 v1', 'created 2 v3']);
    receive('edited', edited(message(2), 3));
    expect(lines()).toHaveLength(2);
  });

  it('shows a message that was edited while it was held in its newest state', () => {
    const { created, receive, message, lines } = given({ after: 0 });
    created(2);
    receive('edited', edited(message(2), 2));
    receive('created', message(2));
    created(1);
    expect(lines()).toEqual(['created 1 v1', 'created 2 v2']);
  });

  it('forgets what it holds when the connection is lost: it may be edited meanwhile', () => {
    const { created, receive, message, lines, conversation } = given({ after: 0 });
    created(2);
    conversation.lost(NOW);
    created(1);
    expect(conversation.isIncomplete).toBe(true);
    receive('created', edited(message(2), 2));
    expect(lines()).toEqual(['created 1 v1', 'created 2 v2']);
  });

  it('takes a change from a message that is sent again', () => {
    const { created, receive, message, lines } = given({ after: 0 });
    created(1);
    receive('created', edited(message(1), 2));
    receive('created', { ...edited(message(1), 3), deletedAt: NOW });
    expect(lines()).toEqual(['created 1 v1', 'edited 1 v2', 'deleted 1 v3']);
  });

  it('does not show the old state of a message whose change was shown before the conversation was known', () => {
    const { created, receive, message, lines, conversation } = given();
    receive('edited', edited(message(5), 2));
    created(5);
    expect(lines()).toEqual(['edited 5 v2']);
    expect(conversation.point(undefined)?.seq).toBe(4);
    expect(conversation.isIncomplete).toBe(true);
    receive('created', edited(message(5), 2));
    expect(lines()).toEqual(['edited 5 v2', 'created 5 v2']);
  });

  it('stands still while its reader has no room, and asks for what it dropped', () => {
    const { reader, created, receive, message, seqs, lines, conversation, id } = given({ after: 0 });
    created(1, 2);
    reader.room = 2;
    receive('edited', edited(message(1), 2));
    created(...Array.from({ length: 300 }, (_, i) => i + 3));
    expect(seqs()).toEqual([1, 2]);
    expect(conversation.isIncomplete).toBe(false);
    reader.room = 1_000;
    conversation.proceed();
    expect(seqs()).toEqual(Array.from({ length: 2 + MAX_HELD }, (_, i) => i + 1));
    expect(conversation.isIncomplete).toBe(true);
    expect(conversation.point('2026-11-22T11:00:00.000Z')).toEqual({ conversationId: id, seq: 2 + MAX_HELD, changedSince: NOW });
    receive('edited', edited(message(1), 2));
    expect(lines().at(-1)).toBe('edited 1 v2');
  });

  it('asks again for changes until an answer came', () => {
    const { conversation } = given({ after: 5 });
    conversation.lost(NOW);
    conversation.asked();
    expect(conversation.isIncomplete).toBe(false);
    conversation.unanswered();
    expect(conversation.isIncomplete).toBe(true);
    expect(conversation.point('2026-11-22T12:00:00.000Z')?.changedSince).toBe(NOW);
    conversation.asked();
    conversation.answered();
    expect(conversation.point('2026-11-22T12:00:00.000Z')?.changedSince).toBe('2026-11-22T12:00:00.000Z');
  });

  it('shows nothing once too much is missing, until it is given a new place', () => {
    const { conversation, created, seqs, id } = given({ after: 0 });
    conversation.fellBehind();
    created(1, 200);
    expect(seqs()).toEqual([]);
    expect(conversation.isIncomplete).toBe(false);
    conversation.follow({ conversationId: id, seq: 199 });
    created(199, 200);
    expect(seqs()).toEqual([200]);
  });

  it('never goes back', () => {
    const { conversation, created, seqs, id } = given({ after: 0 });
    created(1, 2);
    conversation.follow({ conversationId: id, seq: 0 });
    created(1, 2, 3);
    expect(seqs()).toEqual([1, 2, 3]);
  });
});

it('versions are remembered for a bounded number of messages', () => {
  const versions = new SeenVersions(2);
  for (const id of ['a', 'b', 'c']) versions.note(id, 2);
  expect(['a', 'b', 'c'].map((id) => versions.isNewer(id, 2))).toEqual([true, false, false]);
});
