import type { MessageId } from '#lib/contracts/ids';

/** Messages of which the version is known: as many as change in a minute in which a process does little else. About 1.5 MB. */
const MAX_KNOWN = 10_000;

/** Which edits and deletions went out: each does so once, and no older version after a newer one, as long as it is remembered. */
export class SentChanges {
  private readonly versions = new Map<MessageId, number>();

  /** Whether this version is news; then it is known from now on. */
  isNews(id: MessageId, version: number): boolean {
    if ((this.versions.get(id) ?? 0) >= version) return false;
    this.versions.delete(id); // the newest stand last
    this.versions.set(id, version);
    if (this.versions.size > MAX_KNOWN) this.forgetOldest();
    return true;
  }

  private forgetOldest(): void {
    for (const id of this.versions.keys()) {
      this.versions.delete(id);
      return;
    }
  }
}
