import type { MessageId } from '#lib/contracts/ids';
import { ChunkLedgerPort, type LedgerEntry, type LedgerUpdate, standingPerMessage, supersedes } from '../chunk-ledger.port.js';

/** The ledger in this process' memory: for the memory vector store, which does not outlive the process either. */
export class MemoryChunkLedger extends ChunkLedgerPort {
  private readonly entries = new Map<MessageId, LedgerEntry>();

  async entriesOf(messageIds: readonly MessageId[]): Promise<Map<MessageId, LedgerEntry>> {
    const found = new Map<MessageId, LedgerEntry>();
    for (const messageId of messageIds) {
      const entry = this.entries.get(messageId);
      if (entry !== undefined) found.set(messageId, entry);
    }
    return found;
  }

  async record(entries: readonly LedgerUpdate[]): Promise<MessageId[]> {
    const refused = new Set<MessageId>();
    for (const update of standingPerMessage(entries)) {
      const { insteadOf: _, ...entry } = update;
      if (supersedes(update, this.entries.get(entry.messageId))) this.entries.set(entry.messageId, entry);
      else refused.add(entry.messageId);
    }
    return [...refused];
  }
}
