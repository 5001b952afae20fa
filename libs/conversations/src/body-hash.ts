import { createHash } from 'node:crypto';
import type { MessageDraft } from './message.js';

/**
 * What "the same body" means for an idempotency key: SHA-256 over content, metadata and priority, as lower-case hex. The order of
 * members in metadata does not matter.
 */
export const bodyHash = ({ content, metadata, priority }: Pick<MessageDraft, 'content' | 'metadata' | 'priority'>): string =>
  createHash('sha256')
    .update(JSON.stringify([content, sorted(metadata ?? null), priority]))
    .digest('hex');

/** The same for the start of a conversation: title and members, in whatever order they were named. */
export const startHash = (title: string | null, memberIds: readonly string[]): string =>
  createHash('sha256')
    .update(JSON.stringify([title, [...new Set(memberIds)].sort()]))
    .digest('hex');

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  // A Map's entries, not an object's: JavaScript would move members with names like "1" to the front again.
  return entries.map(([key, inner]) => [key, sorted(inner)]);
};
