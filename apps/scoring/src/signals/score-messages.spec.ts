import { describe, expect, it } from 'vitest';
import type { MessageEvent } from '#lib/contracts/events';
import { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import { MemoryJobStore } from '#lib/jobs/adapters/memory-job-store';
import { MemoryMessageSignals } from '#lib/scores/signals/adapters/memory-message-signals';
import { aMessageCreated, deletionOf, editOf } from '#lib/testing/builders';
import { MemoryCurrentMessages } from '../adapters/memory-current-messages.js';
import { MarkFailed } from './mark-failed.js';
import { ScoreMessages } from './score-messages.js';

const scoring = () => {
  const [messages, signals] = [new MemoryCurrentMessages(), new MemoryMessageSignals()];
  const jobs = new MemoryJobStore(new MemoryOutbox());
  const [scoreMessages, markFailed] = [new ScoreMessages(messages, signals), new MarkFailed(messages, signals, jobs)];
  return {
    commit: (...events: MessageEvent[]) => events.map((event) => messages.commit(event)),
    deliver: (...events: MessageEvent[]) => scoreMessages.handle(events),
    deadLetter: (event: MessageEvent) => markFailed.mark(event),
    rowOf: async ({ data: { messageId } }: MessageEvent) => (await signals.of([messageId])).get(messageId),
  };
};

describe('the signals of a message', () => {
  it('are its language, emotion and length, and whether it is a question', async () => {
    const { commit, deliver, rowOf } = scoring();
    const message = aMessageCreated({ content: 'Bạn vui không?', senderId: 'bob', seq: 7 });
    commit(message);
    await deliver(message);
    const { messageId, conversationId } = message.data;
    expect(await rowOf(message)).toEqual({
      messageId,
      conversationId,
      userId: 'bob',
      seq: 7,
      version: 1,
      state: 'scored',
      signals: { language: 'vi', isQuestion: true, emotion: 'happy', length: 14 },
    });
  });

  it('follow an edit, and go with the deletion', async () => {
    const { commit, deliver, rowOf } = scoring();
    const message = aMessageCreated({ content: 'what is that' });
    const [edit, deletion] = [editOf(message, 'I hate it'), deletionOf(message, 3)];
    commit(message, edit);
    await deliver(edit);
    expect(await rowOf(message)).toMatchObject({ version: 2, signals: { isQuestion: false, emotion: 'angry' } });
    commit(deletion);
    await deliver(deletion);
    expect(await rowOf(message)).toMatchObject({ version: 3, state: 'removed', signals: undefined });
  });

  it('are those of the newest version whichever event comes, in any order and any number of times', async () => {
    const { commit, deliver, rowOf } = scoring();
    const message = aMessageCreated({ content: 'why' });
    const edit = editOf(message, 'because');
    commit(message, edit);
    for (const batch of [[message], [edit, message], [message, edit, message]]) {
      await deliver(...batch);
      expect(await rowOf(message)).toMatchObject({ version: 2, signals: { isQuestion: false } });
    }
  });

  it('are not made for a message that does not exist, or from the text of a forged event', async () => {
    const { commit, deliver, rowOf } = scoring();
    const [unknown, message] = [aMessageCreated(), aMessageCreated({ content: 'hello' })];
    commit(message);
    await deliver(unknown, editOf(message, 'I hate it'), deletionOf(message));
    expect(await rowOf(unknown)).toBeUndefined();
    expect(await rowOf(message)).toMatchObject({ version: 1, state: 'scored', signals: { emotion: 'neutral' } });
  });
});

describe('the dead letter of a message', () => {
  it('marks its version as failed until it is replayed', async () => {
    const { commit, deliver, deadLetter, rowOf } = scoring();
    const message = aMessageCreated();
    commit(message);
    await deadLetter(message);
    expect(await rowOf(message)).toMatchObject({ version: 1, state: 'failed' });
    await deliver(message);
    expect(await rowOf(message)).toMatchObject({ version: 1, state: 'scored' });
  });

  it('marks nothing that is scored, edited since, or unknown', async () => {
    const { commit, deliver, deadLetter, rowOf } = scoring();
    const [scored, edited, unknown] = [aMessageCreated(), aMessageCreated(), aMessageCreated()];
    commit(scored, edited, editOf(edited, 'newer'));
    await deliver(scored);
    for (const event of [scored, edited, unknown]) await deadLetter(event);
    expect(await rowOf(scored)).toMatchObject({ state: 'scored' });
    expect(await rowOf(edited)).toBeUndefined();
    expect(await rowOf(unknown)).toBeUndefined();
  });
});
