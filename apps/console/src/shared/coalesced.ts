/** Work that is done once for all that ask for it within a while. */
export class Coalesced {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isEnded = false;

  constructor(
    private readonly ms: number,
    private readonly work: () => void,
  ) {}

  /** Does it `ms` after the first one who asks. */
  ask(): void {
    if (!this.isEnded) this.timer ??= setTimeout(() => this.now(), this.ms);
  }

  /** Does it now, for those that wait too. */
  now(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.isEnded) this.work();
  }

  /** Does it never again. */
  end(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
  }
}
