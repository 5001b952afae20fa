/** A row of work: a message whose words are not in the index yet. Ids are numbers as text, in the order of the changes. */
export type PendingTextId = string;

/** What waits for the text indexer. */
export interface TextIndexDepth {
  readonly pending: number;
  /** Given up: these texts cannot be indexed. */
  readonly parked: number;
  /** Age of the oldest pending one in seconds; 0 when there is none. */
  readonly oldestAgeSeconds: number;
}

/** These texts could not be indexed together, because of one of them or because they took too long. Nothing of it happened. */
export class TextsRefused extends Error {
  override readonly name = 'TextsRefused';

  /** @param isTimeout they took too long, which may also be Postgres' fault. @param cause the error of Postgres. */
  constructor(
    readonly reason: string,
    readonly isTimeout: boolean,
    options: { readonly cause: unknown },
  ) {
    super(reason, options);
  }
}

/** The words of messages for search, and the work that is left to do there. All of it lives where the messages do. */
export abstract class TextIndexPort {
  /** The next batch of work, limited in texts and in bytes, new messages before those of the backfill; empty when there is none. */
  abstract due(): Promise<PendingTextId[]>;
  /** Up to `limit` texts that failed alone before and are not given up. */
  abstract failedBefore(limit: number): Promise<PendingTextId[]>;
  /**
   * Brings these in step with the newest version of their messages and forgets them, all or none. What another process works at, or has done,
   * is left out. Right in any order and with any number of processes: an older version never replaces a newer one. @returns how many it took.
   * @throws TextsRefused when one of them cannot be indexed, DependencyError when Postgres cannot.
   */
  abstract index(ids: readonly PendingTextId[]): Promise<number>;
  /** Counts a failure of this text alone. @returns whether it is given up: at once when `isFinal`, else after the third. */
  abstract setAside(id: PendingTextId, failure: { readonly reason: string; readonly isFinal: boolean }): Promise<boolean>;
  /** Enlists the next messages that were stored before this index was there. @returns how many; 0 when there are no more. */
  abstract enlistOlder(): Promise<number>;
  abstract depth(): Promise<TextIndexDepth>;
}
