import type { MessageId } from '#lib/contracts/ids';
import type { LedgerEntry } from './chunk-ledger.port.js';
import type { StoredChunk } from '../store/vector-store.port.js';

/**
 * The messages whose stored chunks are not those that the ledger says: another version, too few, too many, or some left of a removed
 * message. Entries that `failed` promise nothing and are left out. Asked after the ledger stands, it finds what a slower process has written
 * over a newer version (ADR 19).
 */
export function outOfStep(entries: Iterable<LedgerEntry>, stored: readonly StoredChunk[]): MessageId[] {
  const chunksOf = Map.groupBy(stored, ({ messageId }) => messageId);
  const wrong: MessageId[] = [];
  for (const { messageId, version, chunkCount, state } of entries) {
    if (state === 'failed') continue;
    const chunks = chunksOf.get(messageId) ?? [];
    const isInStep = chunks.length === chunkCount && chunks.every((chunk) => chunk.version === version);
    if (!isInStep) wrong.push(messageId);
  }
  return wrong;
}
