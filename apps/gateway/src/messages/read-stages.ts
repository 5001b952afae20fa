import { Injectable } from '@nestjs/common';
import type { PipelineState } from '#lib/contracts/http';
import type { MessageId } from '#lib/contracts/ids';
import { DeliveryLedgerPort } from '#lib/conversations/delivery-ledger.port';
import { MessageSignalsPort } from '#lib/scores/signals/message-signals.port';
import { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import { pipelineStateOf, type StagedMessage } from './pipeline-state.js';

/** Asks the ledgers how far messages are. */
@Injectable()
export class ReadStages {
  constructor(
    private readonly deliveries: DeliveryLedgerPort,
    private readonly chunks: ChunkLedgerPort,
    private readonly signals: MessageSignalsPort,
  ) {}

  /** The state of each message. Throws DependencyError when a ledger cannot answer. */
  async execute(messages: readonly StagedMessage[]): Promise<Map<MessageId, PipelineState>> {
    if (messages.length === 0) return new Map();
    const ids = messages.map(({ id }) => id);
    const [deliveries, chunks, signals] = await Promise.all([
      this.deliveries.entriesOf(ids),
      this.chunks.entriesOf(ids),
      this.signals.of(ids),
    ]);
    const firstDelivered = deliveries.size < ids.length ? await this.deliveries.firstRecorded() : undefined;
    const firstScored = signals.size < ids.length ? await this.signals.firstRecorded() : undefined;
    const stateOf = (message: StagedMessage) =>
      pipelineStateOf(message, {
        delivery: deliveries.get(message.id),
        firstDelivered,
        embedding: chunks.get(message.id),
        scoring: signals.get(message.id),
        firstScored,
      });
    return new Map(messages.map((message) => [message.id, stateOf(message)]));
  }
}
