import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConversationId, UserId } from '#lib/contracts/ids';
import { newId } from '#lib/contracts/ids';
import type { DocumentDraft } from './document.js';
import { type DocumentStorePort, MAX_OPEN_BYTES, MAX_OPEN_DOCUMENTS } from './document-store.port.js';

/** A document as a worker thread hands it over. */
export const aDocument = (
  parts: readonly string[],
  facts: Pick<DocumentDraft, 'conversationId' | 'ownerId'> & Partial<Pick<DocumentDraft, 'key' | 'title' | 'requestId'>>,
): DocumentDraft => {
  const bytes = parts.map((part) => Buffer.from(part));
  const ends: number[] = [];
  for (const part of bytes) ends.push((ends.at(-1) ?? 0) + part.length);
  const title = facts.title ?? 'House rules';
  return {
    ...facts,
    title,
    length: parts.reduce((sum, { length }) => sum + length, 0),
    text: new Uint8Array(Buffer.concat(bytes)),
    ends,
    chunkCount: parts.length,
    bodyHash: createHash('sha256').update(title).update(parts.join()).digest('hex'),
  };
};

/** What a store of documents needs around it. */
interface DocumentWorld {
  readonly documents: DocumentStorePort;
  /** Starts a conversation with these members. */
  readonly start: (...members: UserId[]) => Promise<ConversationId>;
  readonly leave: (conversationId: ConversationId, member: UserId) => Promise<void>;
  /** The events in the outbox about this document. */
  readonly announced: (documentId: string) => Promise<number>;
  /** Ids of the parts of a document, in their order. */
  readonly partIds: (documentId: string) => Promise<string[]>;
  readonly stop?: () => Promise<void>;
}

/** What every store of documents promises. */
export function documentStoreContract(name: string, make: () => Promise<DocumentWorld>): void {
  describe(`${name} (store of documents)`, () => {
    let world: DocumentWorld;
    const user = () => `user-${newId()}`;

    beforeAll(async () => {
      world = await make();
    });
    afterAll(async () => world.stop?.());

    it('a stored document is announced once and waits for its vectors', async () => {
      const [alice, bob] = [user(), user()];
      const conversationId = await world.start(alice, bob);
      const stored = await world.documents.store(
        aDocument(['Quiet hours', 'Xin chào “bạn” \\ {,} 👋'], { conversationId, ownerId: alice }),
      );
      expect(stored).toMatchObject({
        replayed: false,
        document: { conversationId, ownerId: alice, title: 'House rules', state: 'pending', parts: { indexed: 0, total: 2 } },
      });
      const { id } = stored.document;
      expect(await world.announced(id)).toBe(1);
      expect(await world.documents.find(id, bob)).toMatchObject({ id, length: 34, chunks: { indexed: 0, total: 2 } });
    });

    it('its parts come back as they were, to members only', async () => {
      const [alice, mallory] = [user(), user()];
      const conversationId = await world.start(alice);
      const texts = ['one', 'Xin chào “bạn” \\ {,} 👋', '"three"\nNULL'];
      const { document } = await world.documents.store(aDocument(texts, { conversationId, ownerId: alice }));
      const ids = await world.partIds(document.id);
      const parts = await world.documents.findParts(ids, alice);
      expect(parts.sort((one, other) => one.place - other.place)).toMatchObject(
        texts.map((content, index) => ({ documentId: document.id, title: 'House rules', place: index + 1, ownerId: alice, content })),
      );
      expect(await world.documents.findParts(ids, mallory)).toEqual([]);
      expect(await world.documents.find(document.id, mallory)).toBeUndefined();
      expect(await world.documents.findForService(document.id)).toMatchObject({ id: document.id, ownerId: alice });
      expect(await world.documents.findForService(newId())).toBeUndefined();
      expect(await world.documents.documentsOf([...ids, newId()])).toEqual(new Map(ids.map((id) => [id, document.id])));
    });

    it('a member that left sees nothing any more and cannot upload', async () => {
      const [alice, bob] = [user(), user()];
      const conversationId = await world.start(alice, bob);
      const { document } = await world.documents.store(aDocument(['x'], { conversationId, ownerId: bob, key: 'k' }));
      await world.leave(conversationId, bob);
      expect(await world.documents.find(document.id, bob)).toBeUndefined();
      const again = world.documents.store(aDocument(['x'], { conversationId, ownerId: bob, key: 'k' }));
      await expect(again).rejects.toMatchObject({ code: 'not-found' });
    });

    it('an unknown conversation is not found', async () => {
      const upload = world.documents.store(aDocument(['x'], { conversationId: newId(), ownerId: user() }));
      await expect(upload).rejects.toMatchObject({ code: 'not-found' });
    });

    it('the same key gives the same document for ever, also when uploads come together', async () => {
      const alice = user();
      const conversationId = await world.start(alice);
      const draft = aDocument(['x'], { conversationId, ownerId: alice, key: 'k' });
      const all = await Promise.all([1, 2, 3].map(() => world.documents.store(draft)));
      expect(new Set(all.map(({ document }) => document.id)).size).toBe(1);
      expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
      expect(await world.announced(all[0]?.document.id ?? '')).toBe(1);
      const other = world.documents.store(aDocument(['y'], { conversationId, ownerId: alice, key: 'k' }));
      await expect(other).rejects.toMatchObject({ code: 'idempotency-key-reused' });
    });

    it('knows which conversations have documents', async () => {
      const alice = user();
      const [one, other] = [await world.start(alice), await world.start(alice)];
      await world.documents.store(aDocument(['x'], { conversationId: one, ownerId: alice }));
      expect(await world.documents.areIn([one, other])).toBe(true);
      expect(await world.documents.areIn([other])).toBe(false);
    });

    it('refuses a user with too many documents that wait, and no other user', async () => {
      const [alice, bob] = [user(), user()];
      const conversationId = await world.start(alice, bob);
      for (let i = 0; i < MAX_OPEN_DOCUMENTS; i += 1) await world.documents.store(aDocument(['x'], { conversationId, ownerId: alice }));
      const more = world.documents.store(aDocument(['x'], { conversationId, ownerId: alice }));
      await expect(more).rejects.toMatchObject({ code: 'rate-limited', retryAfterSeconds: 10 });
      await world.documents.store(aDocument(['x'], { conversationId, ownerId: bob }));
      const huge = { ...aDocument(['x'], { conversationId, ownerId: bob }), text: { length: MAX_OPEN_BYTES } as Uint8Array };
      await expect(world.documents.store(huge)).rejects.toMatchObject({ code: 'rate-limited' });
    });
  });
}
