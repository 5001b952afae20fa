import { Injectable } from '@nestjs/common';
import type { MessageView } from '#lib/contracts/http';
import type { Message } from '#lib/conversations/message';
import { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import { viewOf } from '#lib/conversations/message-view';
import { pipelineStateOf } from './pipeline-state.js';

/** Makes views of messages for a reader who may see them: adds the current state of their pipeline. */
@Injectable()
export class ShowMessages {
  constructor(private readonly ledger: ChunkLedgerPort) {}

  /** One view per message, in the order of `messages`. Throws DependencyError when the ledger cannot answer. */
  async execute(messages: readonly Message[]): Promise<MessageView[]> {
    if (messages.length === 0) return [];
    const entries = await this.ledger.entriesOf(messages.map(({ id }) => id));
    return messages.map((message) => viewOf(message, pipelineStateOf(message, entries.get(message.id))));
  }
}
