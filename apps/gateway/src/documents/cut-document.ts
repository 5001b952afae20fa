import { createHash } from 'node:crypto';
import type { NewDocument } from '#lib/contracts/documents';
import { MAX_CONTENT_LENGTH } from '#lib/contracts/text';
import type { CutDocument } from '#lib/conversations/documents/document';
import { splitText } from '#lib/vectors/chunking/chunk-message';

/** Parts are as long as messages may be, so that all that handles messages handles them; they repeat nothing of one another. */
const PART = { maxLength: MAX_CONTENT_LENGTH, overlap: 0 } as const;

/**
 * Cuts a document into parts, at paragraphs where that is possible, and counts the chunks that they will have. Linear in the length of the text: for
 * 10 MB a second and more, so run it in a worker thread.
 */
export const cutDocument = ({ conversationId, title, content }: NewDocument): CutDocument => {
  const parts = splitText(content, PART);
  const encoder = new TextEncoder();
  const text = new Uint8Array(parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0));
  const ends: number[] = [];
  let chunkCount = 0;
  for (const part of parts) {
    const start = ends.at(-1) ?? 0;
    ends.push(start + encoder.encodeInto(part, text.subarray(start)).written);
    chunkCount += splitText(part).length;
  }
  const bodyHash = createHash('sha256')
    .update(JSON.stringify([conversationId, title]))
    .update(content)
    .digest('hex');
  return { conversationId, title, length: content.length, text, ends, chunkCount, bodyHash };
};
