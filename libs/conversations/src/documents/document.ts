import type { DocumentId, DocumentState } from '#lib/contracts/documents';
import type { DocumentCreated } from '#lib/contracts/events';
import type { ConversationId, UserId } from '#lib/contracts/ids';

/** A document taken apart, as a worker thread hands it over: without strings, whose copies would be made on the event loop. */
export interface CutDocument {
  readonly conversationId: ConversationId;
  readonly title: string;
  /** Of the whole text, in UTF-16 units. */
  readonly length: number;
  /** The parts one after the other, in UTF-8. */
  readonly text: Uint8Array;
  /** Where in `text` each part ends. */
  readonly ends: readonly number[];
  /** Chunks that all parts will have. */
  readonly chunkCount: number;
  /** SHA-256 over conversation, title and text, as hex: what "the same body" means for an idempotency key. */
  readonly bodyHash: string;
}

/** A document that a member wants to store. */
export interface DocumentDraft extends CutDocument {
  readonly ownerId: UserId;
  /** Durable idempotency key of this owner. */
  readonly key?: string | undefined;
  readonly requestId?: string | undefined;
  readonly traceparent?: string | undefined;
}

/** A committed document without its text. */
export interface Document {
  readonly id: DocumentId;
  readonly conversationId: ConversationId;
  readonly ownerId: UserId;
  readonly title: string;
  readonly length: number;
  readonly createdAt: Date;
  readonly state: DocumentState;
  readonly parts: { readonly indexed: number; readonly total: number };
  readonly chunks: { readonly indexed: number; readonly total: number };
}

/** Verdict of an upload: `replayed` = the same key was used before for the same body, and this is that document as it was accepted. */
export type StoredDocument =
  | { readonly replayed: false; readonly document: Document; readonly event: DocumentCreated }
  | { readonly replayed: true; readonly document: Document };

/** A part of a document that a search found. */
export interface FoundPart {
  /** Id of the part: what the vector store and the index by words know it by. */
  readonly id: string;
  readonly documentId: DocumentId;
  readonly title: string;
  /** 1, 2, 3, ... in the document. */
  readonly place: number;
  readonly conversationId: ConversationId;
  readonly ownerId: UserId;
  readonly createdAt: Date;
  readonly content: string;
}

/** The parts in `text`, each in UTF-8. */
export const partsOf = ({ text, ends }: Pick<CutDocument, 'text' | 'ends'>): Uint8Array[] =>
  ends.map((end, index) => text.subarray(ends[index - 1] ?? 0, end));

/** The document of a draft, as it is accepted. */
export const acceptedAs = (draft: DocumentDraft, id: DocumentId, createdAt: Date): Document => ({
  id,
  conversationId: draft.conversationId,
  ownerId: draft.ownerId,
  title: draft.title,
  length: draft.length,
  createdAt,
  state: 'pending',
  parts: { indexed: 0, total: draft.ends.length },
  chunks: { indexed: 0, total: draft.chunkCount },
});
