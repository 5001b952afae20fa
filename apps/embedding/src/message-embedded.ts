import { type MessageEmbedded, newEvent } from '#lib/contracts/events';
import { derivedId } from '#lib/contracts/ids';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';
import type { CurrentMessage } from './current-messages.port.js';

/** Announces that this version of a message is indexed. Published twice it has the same event id, so consumers recognise it. */
export const messageEmbedded = (message: CurrentMessage, { chunkCount, model }: LedgerEntry): MessageEmbedded => {
  const { messageId, conversationId, seq, version, senderId } = message;
  return newEvent(
    'message.embedded',
    { messageId, conversationId, seq, messageVersion: version, chunkCount, model, senderId },
    { eventId: derivedId('message.embedded', messageId, String(version)) },
  );
};
