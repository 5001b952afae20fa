import type { MessageId } from '#lib/contracts/ids';
import type { LedgerEntry } from './chunk-ledger.port.js';
import type { StoredChunk } from './vector-store.port.js';

/**
 * The messages whose stored chunks are not those that the ledger says: another version, too few, too many, or some left of a removed
 * message. Entries that `failed` promise nothing and are left out. The reconciler repairs them from the message's text.
 *
 * When two processes index two versions of a message at the same time, the ledger keeps the newer one, but the vector store has what was
 * written last. The newer version always wins in the end if whoever handles an event of a message with more than one version
 * (event version or ledger version above 1, or `record` refused the entry) asks this question *after* the ledger stands, and indexes the
 * current text again for what it finds:
 *
 * - the older writer was there first: the newer one has overwritten it;
 * - the older writer came before the newer one asked: the newer one finds it here;
 * - the older writer came later: its `record` is refused, or its event is delivered again and found older; either way it asks.
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
