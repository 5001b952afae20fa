import { Injectable } from '@nestjs/common';
import type { MessageView } from '#lib/contracts/http';
import { DeliveryLedgerPort } from '#lib/conversations/delivery-ledger.port';
import type { Message } from '#lib/conversations/message';
import { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import { MessageSignalsPort } from '#lib/scores/signals/message-signals.port';
import { viewOf } from '#lib/conversations/message-view';
import { pipelineStateOf } from './pipeline-state.js';

/** Makes views of messages for a reader who may see them: adds the current state of their pipeline. */
@Injectable()
export class ShowMessages {
  constructor(
    private readonly deliveries: DeliveryLedgerPort,
    private readonly chunks: ChunkLedgerPort,
    private readonly signals: MessageSignalsPort,
  ) {}

  /** One view per message, in the order of `messages`. Throws DependencyError when a ledger cannot answer. */
  async execute(messages: readonly Message[]): Promise<MessageView[]> {
    if (messages.length === 0) return [];
    const ids = messages.map(({ id }) => id);
    const [deliveries, chunks, signals] = await Promise.all([
      this.deliveries.entriesOf(ids),
      this.chunks.entriesOf(ids),
      this.signals.of(ids),
    ]);
    const firstDelivered = deliveries.size < ids.length ? await this.deliveries.firstRecorded() : undefined;
    const firstScored = signals.size < ids.length ? await this.signals.firstRecorded() : undefined;
    const stagesOf = (message: Message) =>
      pipelineStateOf(message, {
        delivery: deliveries.get(message.id),
        firstDelivered,
        embedding: chunks.get(message.id),
        scoring: signals.get(message.id),
        firstScored,
      });
    return messages.map((message) => viewOf(message, stagesOf(message)));
  }
}
