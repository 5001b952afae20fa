import { Injectable } from '@nestjs/common';
import type { DocumentDraft, StoredDocument } from '#lib/conversations/documents/document';
import { DocumentStorePort } from '#lib/conversations/documents/document-store.port';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';

/** Stores a document and announces it to the indexer. */
@Injectable()
export class UploadDocument {
  constructor(
    private readonly documents: DocumentStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** Settles with the commit. Throws what the store throws. */
  async execute(draft: DocumentDraft): Promise<StoredDocument> {
    const stored = await this.documents.store(draft);
    if (!stored.replayed) this.relay.publishSoon(stored.event, { requestId: draft.requestId, traceparent: draft.traceparent });
    return stored;
  }
}
