import type { DocumentId, DocumentState } from '#lib/contracts/documents';
import { DocumentIndexingPort } from '#lib/conversations/documents/document-indexing.port';
import type { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';

/** The state of documents in memory, for tests. */
export class MemoryDocumentIndexing extends DocumentIndexingPort {
  readonly documents = new Map<DocumentId, { readonly partIds: readonly string[]; state: DocumentState }>();

  constructor(private readonly ledger: ChunkLedgerPort) {
    super();
  }

  async begin(id: DocumentId): Promise<boolean> {
    const document = this.documents.get(id);
    if (document !== undefined && document.state !== 'done') document.state = 'indexing';
    return document !== undefined;
  }

  async partsToIndex(id: DocumentId, model: string): Promise<string[]> {
    const partIds = this.documents.get(id)?.partIds ?? [];
    const entries = await this.ledger.entriesOf(partIds);
    return partIds.filter((partId) => entries.get(partId)?.state !== 'indexed' || entries.get(partId)?.model !== model);
  }

  async end(id: DocumentId, state: 'done' | 'failed'): Promise<void> {
    const document = this.documents.get(id);
    if (document !== undefined && document.state !== 'done') document.state = state;
  }
}
