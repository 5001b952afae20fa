import type { DocumentId } from '#lib/contracts/documents';

/** How far the indexing of documents is, for the process that does it. Throws DependencyError. */
export abstract class DocumentIndexingPort {
  /** Notes that this document is being indexed, unless it is done. @returns false when there is no such document. */
  abstract begin(id: DocumentId): Promise<boolean>;
  /** The parts whose vectors of `model` are not in the ledger, in their order. */
  abstract partsToIndex(id: DocumentId, model: string): Promise<string[]>;
  /** Notes how it ended. A document that is done stays done. */
  abstract end(id: DocumentId, state: 'done' | 'failed'): Promise<void>;
}
