import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MessageEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import { aMessageCreated, deletionOf, editOf } from '#lib/testing/builders';
import type { CurrentMessagesPort } from './current-messages.port.js';

/** A source of messages, and a way to commit the message of an event to it. */
export interface CommittedMessages {
  readonly messages: CurrentMessagesPort;
  readonly commit: (event: MessageEvent) => Promise<void> | void;
  readonly stop?: () => Promise<void>;
}

/** What every source of current messages promises. */
export function currentMessagesContract(name: string, make: () => Promise<CommittedMessages>): void {
  let made: CommittedMessages;

  describe(`${name} as the truth about messages`, () => {
    beforeAll(async () => {
      made = await make();
    });
    afterAll(async () => made.stop?.());

    it('knows those that there are, with their newest text, and none of a deleted one', async () => {
      const [plain, edited, deleted] = [aMessageCreated({ content: 'Sáng mai' }), aMessageCreated(), aMessageCreated()];
      for (const event of [plain, edited, deleted, editOf(edited, 'newer'), deletionOf(deleted)]) await made.commit(event);
      const ids = [plain, edited, deleted].map(({ data }) => data.messageId);
      const found = await made.messages.of([...ids, newId()]);
      const { messageId, conversationId, senderId: userId, seq } = plain.data;
      expect(found.get(messageId)).toEqual({ messageId, conversationId, userId, seq, version: 1, content: 'Sáng mai' });
      expect(ids.map((id) => [found.get(id)?.version, found.get(id)?.content])).toEqual([
        [1, 'Sáng mai'],
        [2, 'newer'],
        [2, null],
      ]);
      expect(found.size).toBe(3);
    });
  });
}
