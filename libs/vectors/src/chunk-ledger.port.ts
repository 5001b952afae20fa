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
  /** Writes entries; an entry never replaces one of a newer version, and `failed` never replaces the same version's `indexed`/`removed`. */
  abstract record(entries: readonly LedgerEntry[]): Promise<void>;
}
