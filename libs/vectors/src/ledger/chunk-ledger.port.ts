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

/** An entry to be written. */
export interface LedgerUpdate extends LedgerEntry {
  /**
   * A held version that no version of the message can account for: the entry takes its place although it is newer. Named exactly, so that a
   * true version that is recorded meanwhile stays.
   */
  readonly insteadOf?: number | undefined;
}

/** Postgres' record of which version of which message has which vectors: what the reconciler compares Chroma with. */
export abstract class ChunkLedgerPort {
  /** The entries of these messages; messages never indexed are missing. */
  abstract entriesOf(messageIds: readonly MessageId[]): Promise<Map<MessageId, LedgerEntry>>;
  /**
   * Writes entries; an entry never replaces one of a newer version (but see `insteadOf`), and `failed` never replaces the same version's
   * `indexed`/`removed`.
   * @returns the messages whose entry was not written for that reason: another process recorded a newer version meanwhile, and what the
   * caller has just put into the vector store may have overwritten it. The caller must write the newest version again (ADR 19).
   */
  abstract record(entries: readonly LedgerUpdate[]): Promise<MessageId[]>;
}

/** Whether `entry` may take the place of `held`: the rule of {@link ChunkLedgerPort.record}. */
export const supersedes = (entry: LedgerUpdate, held: LedgerEntry | undefined): boolean => {
  if (held === undefined || entry.version > held.version || entry.insteadOf === held.version) return true;
  return entry.version === held.version && (entry.state !== 'failed' || held.state === 'failed');
};

/** One entry per message: of several in one call, the one that would stand after writing them one after another. */
export const standingPerMessage = (entries: readonly LedgerUpdate[]): LedgerUpdate[] => {
  const standing = new Map<MessageId, LedgerUpdate>();
  for (const entry of entries) if (supersedes(entry, standing.get(entry.messageId))) standing.set(entry.messageId, entry);
  return [...standing.values()];
};
