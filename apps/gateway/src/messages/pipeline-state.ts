import type { PipelineState, StageState } from '#lib/contracts/http';
import type { MessageId } from '#lib/contracts/ids';
import { atAcknowledgement } from '#lib/conversations/first-stages';
import type { DeliveryEntry } from '#lib/conversations/delivery-ledger.port';
import type { Message } from '#lib/conversations/message';
import type { ScoringEntry } from '#lib/scores/signals/message-signals.port';
import type { LedgerEntry } from '#lib/vectors/ledger/chunk-ledger.port';

/** What the ledgers know of a message; an entry of an older version says nothing about this version. */
export interface LedgerEntries {
  readonly delivery: DeliveryEntry | undefined;
  /** The first message that ever went out; undefined: none, or not asked because `delivery` is there. */
  readonly firstDelivered?: MessageId | undefined;
  readonly embedding: LedgerEntry | undefined;
  readonly scoring: ScoringEntry | undefined;
  /** The first message that was ever scored, as `firstDelivered`. */
  readonly firstScored?: MessageId | undefined;
}

/** What of a message its stages depend on. */
export type StagedMessage = Pick<Message, 'id' | 'version'>;

/** The stages of a message now. */
export const pipelineStateOf = (
  message: StagedMessage,
  { delivery, firstDelivered, embedding, scoring, firstScored }: LedgerEntries,
): PipelineState => ({
  ...atAcknowledgement,
  delivery: atAcknowledgement.delivery === 'skipped' ? 'skipped' : deliveryOf(message, delivery, firstDelivered),
  embedding: atAcknowledgement.embedding === 'skipped' ? 'skipped' : embeddingOf(message, embedding),
  scoring: atAcknowledgement.scoring === 'skipped' ? 'skipped' : scoringOf(message, scoring, firstScored),
});

const deliveryOf = (message: StagedMessage, entry: DeliveryEntry | undefined, first: MessageId | undefined): StageState => {
  // Stored before this deployment had a delivery service: clients must not wait for it.
  if (entry === undefined && first !== undefined && message.id < first) return 'skipped';
  if (entry === undefined || entry.version < message.version) return 'pending';
  return entry.state === 'delivered' ? 'done' : 'failed';
};

const embeddingOf = (message: StagedMessage, entry: LedgerEntry | undefined): StageState => {
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

const scoringOf = (message: StagedMessage, entry: ScoringEntry | undefined, first: MessageId | undefined): StageState => {
  if (entry === undefined && first !== undefined && message.id < first) return 'skipped'; // as for deliveries
  if (entry === undefined || entry.version < message.version) return 'pending';
  return entry.state === 'failed' ? 'failed' : 'done';
};
