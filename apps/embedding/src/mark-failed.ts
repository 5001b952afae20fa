import { Injectable } from '@nestjs/common';
import type { IndexingEvent, ParleyEvent } from '#lib/contracts/events';
import { ChunkLedgerPort } from '#lib/vectors/chunk-ledger.port';
import { EmbedderPort } from '#lib/vectors/embedder.port';

/** Lets readers of a message see that its vectors will not come by themselves: `pipeline.embedding` is `failed` until its dead letter is replayed. */
@Injectable()
export class MarkFailed {
  constructor(
    private readonly ledger: ChunkLedgerPort,
    private readonly embedder: EmbedderPort,
  ) {}

  /** A version that is indexed stays indexed. @throws DependencyError when the ledger cannot take it. */
  async mark(event: ParleyEvent): Promise<void> {
    if (!isAboutMessage(event)) return;
    const { messageId, version } = event.data;
    await this.ledger.record([{ messageId, version, chunkCount: 0, model: this.embedder.model, state: 'failed' }]);
  }
}

const isAboutMessage = (event: ParleyEvent): event is IndexingEvent =>
  event.type === 'message.created' ||
  event.type === 'message.edited' ||
  event.type === 'message.deleted' ||
  event.type === 'vectors.rebuild';
