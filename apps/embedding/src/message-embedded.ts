import { type IndexingEvent, type MessageEmbedded, newEvent } from '#lib/contracts/events';
import { derivedId } from '#lib/contracts/ids';
import type { LedgerEntry } from '#lib/vectors/chunk-ledger.port';

/** The news that this version of a message can be found. Said twice it has the same event id, so that who hears it can tell. */
export const messageEmbedded = ({ data }: IndexingEvent, { chunkCount, model }: LedgerEntry): MessageEmbedded =>
  newEvent(
    'message.embedded',
    {
      messageId: data.messageId,
      conversationId: data.conversationId,
      seq: data.seq,
      messageVersion: data.version,
      chunkCount,
      model,
    },
    { eventId: derivedId('message.embedded', data.messageId, String(data.version)) },
  );
