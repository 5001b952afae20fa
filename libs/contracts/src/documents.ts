import { z } from 'zod';
import { ConversationId, UserId } from './ids.js';
import { humanText } from './text.js';

const time = z.iso.datetime({ offset: true }).meta({ examples: ['2026-01-31T09:30:00.000Z'] });

/** A document's UUIDv7. */
export const DocumentId = z.uuid().toLowerCase();
export type DocumentId = z.infer<typeof DocumentId>;

/** Longest text of a document in UTF-16 units: the 10 MB that a body may have. */
export const MAX_DOCUMENT_LENGTH = 10 * 1_024 * 1_024;

/** `POST /v1/documents`. */
export const NewDocument = z
  .strictObject({
    conversationId: ConversationId.meta({ description: 'Its members find the document' }),
    title: humanText({ max: 200 }).meta({ description: 'Up to 200 characters', examples: ['House rules'] }),
    content: humanText({ max: MAX_DOCUMENT_LENGTH }).meta({
      description: 'Plain text, as much as a body of 10 MB holds',
      examples: ['Quiet hours are from ten in the evening.'],
    }),
  })
  .meta({
    id: 'NewDocument',
    examples: [
      {
        conversationId: '0199a2f0-7d1c-7000-8000-000000000001',
        title: 'House rules',
        content: 'Quiet hours are from ten in the evening.',
      },
    ],
  });
export type NewDocument = z.infer<typeof NewDocument>;

/**
 *     pending -> indexing -> done
 *                   `------> failed -(its dead letter is replayed)-> indexing
 */
export const DocumentState = z.enum(['pending', 'indexing', 'done', 'failed']);
export type DocumentState = z.infer<typeof DocumentState>;

const progress = (what: string) =>
  z.object({
    indexed: z
      .int()
      .nonnegative()
      .meta({ description: `${what} that search by meaning finds` }),
    total: z.int().nonnegative(),
  });

/** A document as its readers see it: what it is and how far its indexing is. */
export const DocumentView = z
  .object({
    id: DocumentId,
    conversationId: ConversationId,
    ownerId: UserId.meta({ description: 'Who uploaded it; `senderId` of its hits' }),
    title: z.string(),
    length: z.int().positive().meta({ description: 'Of its text, in UTF-16 units' }),
    createdAt: time.meta({ description: 'When it was accepted' }),
    state: DocumentState.meta({ description: 'done: all of it is found, by words and by meaning' }),
    parts: progress('Parts of up to 16,384 units').meta({ description: 'Parts are what is indexed, and indexed again, at once' }),
    chunks: progress('Passages with a vector of their own'),
  })
  .meta({ id: 'Document' });
export type DocumentView = z.infer<typeof DocumentView>;
