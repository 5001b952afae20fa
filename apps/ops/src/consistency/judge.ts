import type { FindingKind } from '#lib/contracts/admin';
import type { StoredChunk } from '#lib/vectors/store/vector-store.port';
import type { MessageState } from './indexable-messages.port.js';

/** State of the vectors of one message. `pending`: not indexed, perhaps only not yet. */
export type Judgement = FindingKind | 'pending';

/**
 * Compares a message with its ledger entry and its stored chunks; undefined when they are in step. The first that applies:
 *
 *     the ledger is behind the message    young: pending      nothing of it indexed: unindexed      an older version: stale
 *     the ledger is ahead of the message  it believed a forged event: stale
 *     given up on                         failed
 *     deleted                             chunks left: orphan
 *     chunks of another version, or more than the ledger says: stale      fewer: missing
 *
 * @param overtakenAt messages before this time have been handled.
 */
export const judge = (
  { version, isDeleted, changedAt, entry }: MessageState,
  chunks: readonly StoredChunk[],
  overtakenAt: Date,
): Judgement | undefined => {
  if (entry === undefined || entry.version < version) {
    if (changedAt > overtakenAt) return 'pending';
    return entry === undefined && chunks.length === 0 ? 'unindexed' : 'stale';
  }
  if (entry.version > version) return 'stale';
  if (entry.state === 'failed') return 'failed';
  if (isDeleted) return chunks.length > 0 ? 'orphan' : undefined;
  if (entry.state === 'removed' || chunks.some((chunk) => chunk.version !== version) || chunks.length > entry.chunkCount) return 'stale';
  return chunks.length < entry.chunkCount ? 'missing' : undefined;
};
