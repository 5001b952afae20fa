/**
 * Something of this process that all callers share (places in flight, bytes) and of which one caller may have only so much. 0 = no limit.
 * A caller is named by its user id, or by its address before it is known: {@link userKey}, {@link addressKey}.
 */
export class FairShare {
  private readonly max: number;
  private readonly maxPerCaller: number;
  private readonly byCaller = new Map<string, number>();
  private used = 0;

  constructor({ max, maxPerCaller }: { readonly max: number; readonly maxPerCaller: number }) {
    this.max = max || Number.POSITIVE_INFINITY;
    this.maxPerCaller = maxPerCaller || Number.POSITIVE_INFINITY;
  }

  /** Whether all callers together have used it up. */
  get isFull(): boolean {
    return this.used >= this.max;
  }

  /** Takes `amount`, or nothing: then it says whose limit is in the way, the caller's own or that of all. */
  take(caller: string, amount = 1): 'caller' | 'all' | undefined {
    const own = (this.byCaller.get(caller) ?? 0) + amount;
    if (own > this.maxPerCaller) return 'caller';
    if (this.used + amount > this.max) return 'all';
    this.byCaller.set(caller, own);
    this.used += amount;
    return undefined;
  }

  /** Gives back what was taken. */
  giveBack(caller: string, amount = 1): void {
    const left = (this.byCaller.get(caller) ?? 0) - amount;
    if (left > 0) this.byCaller.set(caller, left);
    else this.byCaller.delete(caller);
    this.used -= amount;
  }
}

/** The key of a user; never that of an address. */
export const userKey = (userId: string): string => `user:${userId}`;

/** The key of a remote address, see `remoteAddressOf`. */
export const addressKey = (address: string): string => `address:${address}`;
