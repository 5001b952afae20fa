import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IndexingEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import { aMessageCreated, deletionOf, editOf } from '#lib/testing/builders';
import type { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import type { CurrentMessagesPort } from './current-messages.port.js';

/** A source of messages, and a way to commit the message of an event to it. */
export interface CommittedMessages {
  readonly messages: CurrentMessagesPort;
  readonly ledger: ChunkLedgerPort;
  readonly commit: (event: IndexingEvent) => Promise<void> | void;
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

    it('knows those that there are, and no others', async () => {
      const message = aMessageCreated({ content: 'Sáng mai' });
      await made.commit(message);
      const found = await made.messages.of([message.data.messageId, newId()]);
      expect([...found.keys()]).toEqual([message.data.messageId]);
      expect(found.get(message.data.messageId)).toEqual({ ...message.data, changedAt: expect.any(Date), entry: undefined });
      expect(await made.messages.of([])).toEqual(new Map());
    });

    it('knows the newest text, none of a deleted message, and what the ledger says', async () => {
      const [edited, deleted] = [aMessageCreated(), aMessageCreated()];
      const entry = { messageId: edited.data.messageId, version: 1, chunkCount: 1, model: 'local', state: 'indexed' as const };
      for (const event of [edited, editOf(edited, 'newer'), deleted, deletionOf(deleted)]) await made.commit(event);
      await made.ledger.record([entry]);
      const found = await made.messages.of([edited.data.messageId, deleted.data.messageId]);
      expect(found.get(edited.data.messageId)).toMatchObject({ version: 2, content: 'newer', entry });
      expect(found.get(deleted.data.messageId)).toMatchObject({ version: 2, content: null, entry: undefined });
    });
  });
}
