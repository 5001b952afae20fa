import type { DocumentId } from '#lib/contracts/documents';
import { newEvent } from '#lib/contracts/events';
import { type ConversationId, newId, type UserId } from '#lib/contracts/ids';
import type { MemoryOutbox } from '#lib/database/outbox/adapters/memory-outbox';
import type { MemoryArchive } from '../../adapters/memory-archive.js';
import { acceptedAs, type Document, type DocumentDraft, type FoundPart, partsOf, type StoredDocument } from '../document.js';
import { checkOpen, DocumentStorePort, documentKeyReused, noSuchConversation } from '../document-store.port.js';

interface Held {
  readonly draft: DocumentDraft;
  readonly document: Document;
  readonly parts: readonly FoundPart[];
}

/** Documents in memory: for the embedded mode, development and unit tests. No process there makes their vectors: they stay pending. */
export class MemoryDocumentStore extends DocumentStorePort {
  private readonly held = new Map<DocumentId, Held>();

  constructor(
    private readonly archive: MemoryArchive,
    private readonly outbox: MemoryOutbox,
  ) {
    super();
  }

  async store(draft: DocumentDraft): Promise<StoredDocument> {
    const { conversationId, ownerId, key, bodyHash, title, requestId, traceparent } = draft;
    if (this.archive.visible(conversationId, ownerId) === undefined) throw noSuchConversation();
    const own = [...this.held.values()].filter(({ document }) => document.ownerId === ownerId);
    const earlier = key === undefined ? undefined : own.find((one) => one.draft.key === key);
    if (earlier !== undefined) {
      if (earlier.draft.bodyHash !== bodyHash) throw documentKeyReused();
      return { replayed: true, document: acceptedAs(draft, earlier.document.id, earlier.document.createdAt) };
    }
    const open = own.filter(({ document }) => document.state === 'pending' || document.state === 'indexing');
    checkOpen({ count: open.length, bytes: open.reduce((sum, one) => sum + one.draft.text.length, 0) }, draft.text.length);
    const [id, createdAt] = [newId(), new Date()];
    const document = acceptedAs(draft, id, createdAt);
    const contents = partsOf(draft).map((part) => Buffer.from(part).toString());
    const facts = { documentId: id, title, conversationId, ownerId, createdAt };
    const parts = contents.map((content, index) => ({ ...facts, id: newId(), place: index + 1, content }));
    this.held.set(id, { draft, document, parts });
    const event = newEvent('document.created', { documentId: id, conversationId, ownerId });
    this.outbox.add(event, { requestId, traceparent });
    return { replayed: false, document, event };
  }

  async find(id: DocumentId, reader: UserId): Promise<Document | undefined> {
    const document = this.held.get(id)?.document;
    return document !== undefined && this.isVisible(document.conversationId, reader) ? document : undefined;
  }

  async findForService(id: DocumentId): Promise<Document | undefined> {
    return this.held.get(id)?.document;
  }

  async areIn(conversationIds: readonly ConversationId[]): Promise<boolean> {
    return [...this.held.values()].some(({ document }) => conversationIds.includes(document.conversationId));
  }

  async documentsOf(partIds: readonly string[]): Promise<Map<string, DocumentId>> {
    const wanted = new Set(partIds);
    return new Map(this.parts.flatMap(({ id, documentId }) => (wanted.has(id) ? [[id, documentId]] : [])));
  }

  async findParts(partIds: readonly string[], reader: UserId): Promise<FoundPart[]> {
    const wanted = new Set(partIds);
    return this.parts.filter(({ id, conversationId }) => wanted.has(id) && this.isVisible(conversationId, reader));
  }

  /** All parts of all documents. */
  get parts(): FoundPart[] {
    return [...this.held.values()].flatMap(({ parts }) => parts);
  }

  private isVisible(conversationId: ConversationId, reader: UserId): boolean {
    return this.archive.visible(conversationId, reader) !== undefined;
  }
}
