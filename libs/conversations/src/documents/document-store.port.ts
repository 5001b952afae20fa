import type { DocumentId } from '#lib/contracts/documents';
import type { ConversationId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { Document, DocumentDraft, FoundPart, StoredDocument } from './document.js';

/** Documents of one user that may wait to be indexed, and their bytes: two minutes of one embedding process at most. */
export const MAX_OPEN_DOCUMENTS = 20;
export const MAX_OPEN_BYTES = 50 * 1_024 * 1_024;

/** Some chunks are indexed by then. */
const RETRY_AFTER_SECONDS = 10;

/** Stores documents and reads them for members: a read takes the reader, and a non-member sees nothing. */
export abstract class DocumentStorePort {
  /**
   * Commits the document, its parts and its `document.created` outbox row together.
   * @throws ProblemError `not-found` (unknown conversation or not a member), `idempotency-key-reused`, `rate-limited` (too much of this owner
   * waits to be indexed); DependencyError when Postgres cannot.
   */
  abstract store(draft: DocumentDraft): Promise<StoredDocument>;
  /** The document and how far its indexing is, when `reader` is a member of its conversation. */
  abstract find(id: DocumentId, reader: UserId): Promise<Document | undefined>;
  /** The same for a caller that may act for any user (scope `service`). */
  abstract findForService(id: DocumentId): Promise<Document | undefined>;
  /** Whether any of these conversations has a document. */
  abstract areIn(conversationIds: readonly ConversationId[]): Promise<boolean>;
  /** The document of each of these parts; parts that are not there are missing. */
  abstract documentsOf(partIds: readonly string[]): Promise<Map<string, DocumentId>>;
  /** Those of these parts that `reader` may see, in no particular order. */
  abstract findParts(partIds: readonly string[], reader: UserId): Promise<FoundPart[]>;
}

/** The answer to a key that was used with another document. */
export const documentKeyReused = (): ProblemError =>
  new ProblemError('idempotency-key-reused', 'This idempotency key was used for a document with another body.');

/** The answer to who is no member. */
export const noSuchConversation = (): ProblemError => new ProblemError('not-found', 'There is no such conversation.');

/** What of an owner waits to be indexed. @throws ProblemError `rate-limited` when `bytes` more are too many. */
export const checkOpen = (open: { readonly count: number; readonly bytes: number }, bytes: number): void => {
  if (open.count < MAX_OPEN_DOCUMENTS && open.bytes + bytes <= MAX_OPEN_BYTES) return;
  throw new ProblemError(
    'rate-limited',
    `Of one user ${MAX_OPEN_DOCUMENTS} documents or ${MAX_OPEN_BYTES / 1_024 / 1_024} MB may wait to be indexed: wait until some of yours are done.`,
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );
};
