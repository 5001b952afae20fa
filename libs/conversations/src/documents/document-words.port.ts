/** The words of parts of documents for search, and the parts whose words are not made yet. Throws DependencyError when Postgres cannot. */
export abstract class DocumentWordsPort {
  /** Up to `limit` parts without words, oldest first. */
  abstract waiting(limit: number): Promise<string[]>;
  /** Makes the words of these parts, all or none; parts that another process works at are left out. @throws TextsRefused when one of them cannot be indexed. */
  abstract index(ids: readonly string[]): Promise<void>;
  /** Gives a part up: it is found by meaning only. */
  abstract giveUp(id: string): Promise<void>;
}
