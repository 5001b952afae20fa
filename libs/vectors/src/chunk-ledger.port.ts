import type { MessageId } from '#lib/contracts/ids';

/** What the vector store should hold for one message. */
export interface LedgerEntry {
  readonly messageId: MessageId;
  /** The message's version that was indexed (or removed, or failed). */
  readonly version: number;
  /** 0 for a removed message. */
  readonly chunkCount: number;
  readonly model: string;
  readonly state: 'indexed' | 'removed' | 'failed';
}

/** Postgres' record of which version of which message has which vectors: what the reconciler compares Chroma with. */
export abstract class ChunkLedgerPort {
  /** The entries of these messages; messages never indexed are missing. */
  abstract entriesOf(messageIds: readonly MessageId[]): Promise<Map<MessageId, LedgerEntry>>;
  /**
   * Writes entries; an entry never replaces one of a newer version, and `failed` never replaces the same version's `indexed`/`removed`.
   * @returns the messages whose entry was not written for that reason: somebody indexed a newer version meanwhile, and what the caller
   * has just put into the vector store may have overwritten it (see `out-of-step.ts`).
   */
  abstract record(entries: readonly LedgerEntry[]): Promise<MessageId[]>;
}

/** Whether `entry` may take the place of `held`: the rule of {@link ChunkLedgerPort.record}. */
export const supersedes = (entry: LedgerEntry, held: LedgerEntry | undefined): boolean => {
  if (held === undefined || entry.version > held.version) return true;
  return entry.version === held.version && (entry.state !== 'failed' || held.state === 'failed');
};

/** One entry per message: of several in one call, the one that would stand after writing them one after another. */
export const standingPerMessage = (entries: readonly LedgerEntry[]): LedgerEntry[] => {
  const standing = new Map<MessageId, LedgerEntry>();
  for (const entry of entries) if (supersedes(entry, standing.get(entry.messageId))) standing.set(entry.messageId, entry);
  return [...standing.values()];
};
