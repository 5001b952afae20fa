import type { PipelineState, StageState } from '#lib/contracts/http';
import { atAcknowledgement } from '#lib/conversations/first-stages';
import type { DeliveryEntry } from '#lib/conversations/delivery-ledger.port';
import type { Message } from '#lib/conversations/message';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';

/** What the ledgers know of a message; an entry of an older version says nothing about this version. */
export interface LedgerEntries {
  readonly delivery: DeliveryEntry | undefined;
  readonly embedding: LedgerEntry | undefined;
}

/** The stages of a message now. */
export const pipelineStateOf = (message: Message, { delivery, embedding }: LedgerEntries): PipelineState => ({
  ...atAcknowledgement,
  delivery: atAcknowledgement.delivery === 'skipped' ? 'skipped' : deliveryOf(message, delivery),
  embedding: atAcknowledgement.embedding === 'skipped' ? 'skipped' : embeddingOf(message, embedding),
});

const deliveryOf = (message: Message, entry: DeliveryEntry | undefined): StageState => {
  if (entry === undefined || entry.version < message.version) return 'pending';
  return entry.state === 'delivered' ? 'done' : 'failed';
};

const embeddingOf = (message: Message, entry: LedgerEntry | undefined): StageState => {
  if (entry === undefined || entry.version < message.version) return 'pending';
  switch (entry.state) {
    case 'indexed':
    case 'removed':
      return 'done';
    case 'failed':
      return 'failed';
    default:
      return entry.state satisfies never;
  }
};
