import { Injectable } from '@nestjs/common';
import type { IndexingEvent, ParleyEvent } from '#lib/contracts/events';
import { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import { EmbedderPort } from '#lib/vectors/embedder/embedder.port';
import { DocumentIndexingPort } from '#lib/conversations/documents/document-indexing.port';
import { CurrentMessagesPort } from './current-messages.port.js';

/** Marks the ledger entry of a dead-lettered message, or a dead-lettered document: it is `failed` until its dead letter is replayed. */
@Injectable()
export class MarkFailed {
  constructor(
    private readonly messages: CurrentMessagesPort,
    private readonly ledger: ChunkLedgerPort,
    private readonly embedder: EmbedderPort,
    private readonly documents: DocumentIndexingPort,
  ) {}

  /**
   * Marks only a version that the message has: a forged event must not enter the ledger. An indexed version stays indexed.
   * @throws DependencyError when Postgres is out.
   */
  async mark(event: ParleyEvent): Promise<void> {
    if (event.type === 'document.created') return this.documents.end(event.data.documentId, 'failed');
    if (!isAboutMessage(event)) return;
    const { messageId, version } = event.data;
    const message = (await this.messages.of([messageId])).get(messageId);
    if (message?.version !== version) return;
    await this.ledger.record([{ messageId, version, chunkCount: 0, model: this.embedder.model, state: 'failed' }]);
  }
}

const isAboutMessage = (event: ParleyEvent): event is IndexingEvent =>
  event.type === 'message.created' ||
  event.type === 'message.edited' ||
  event.type === 'message.deleted' ||
  event.type === 'vectors.rebuild';
