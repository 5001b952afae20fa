const FIRST_VERSION = 1;

/** The newest versions that were shown of messages that changed. Bounded: a change that was forgotten may be shown once more. */
export class SeenVersions {
  private readonly versions = new Map<string, number>();

  /** 10,000 ids take about 1 MB. */
  constructor(private readonly limit = 10_000) {}

  isNewer(messageId: string, version: number): boolean {
    return version > (this.versions.get(messageId) ?? FIRST_VERSION);
  }

  /** A newer one was shown. */
  isStale(messageId: string, version: number): boolean {
    return version < (this.versions.get(messageId) ?? FIRST_VERSION);
  }

  note(messageId: string, version: number): void {
    if (version <= FIRST_VERSION) return;
    this.versions.delete(messageId);
    this.versions.set(messageId, version);
    if (this.versions.size <= this.limit) return;
    const [oldest] = this.versions.keys();
    if (oldest !== undefined) this.versions.delete(oldest);
  }
}
