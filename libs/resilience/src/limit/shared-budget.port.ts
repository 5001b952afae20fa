/** Who asks for one request's worth of a budget. `background` takes only while at least half of the bucket is there. */
export interface BudgetRequest {
  readonly caller: string;
  readonly lane: 'interactive' | 'background';
}

/** What the budget says. `caller`: the share of this caller is used up; `all`: that of all callers is. */
export type BudgetVerdict =
  | { readonly granted: true }
  | { readonly granted: false; readonly whose: 'caller' | 'all' /** Until it may be worth asking again. */; readonly waitMs: number };

/**
 * Requests that a vendor allows us per minute, shared by all processes. A token bucket: `perMinute` in the long run, a fifth of that at once.
 * One caller has at most a third of it in any minute. A 429 of the vendor halves the rate for all, and it comes back in equal steps.
 */
export abstract class SharedBudgetPort {
  /** Takes the budget of one request, or nothing. Answers within 200 ms, whatever is out, and never throws. */
  abstract take(request: BudgetRequest): Promise<BudgetVerdict>;

  /**
   * The vendor refused a request because there were too many (429): halves the rate, once for all refusals within five seconds, and empties
   * the bucket. Never throws. @param quietMs how long nothing is to be sent (`Retry-After`).
   */
  abstract slowDown(quietMs?: number): Promise<void>;

  /** Requests per minute that are allowed now, as this process knows it. */
  abstract readonly perMinute: number;
}

/** Refusals of one moment are one event. */
export const HALVED_ONCE_WITHIN_MS = 5_000;
/** From nothing to the whole rate; from one half of it to the whole takes half as long. */
export const RECOVERY_MS = 600_000;
/** The lowest rate: with none at all it would never be known that the vendor takes requests again. */
export const MIN_PER_MINUTE = 1;

/** The numbers of a budget. */
export interface BudgetNumbers {
  readonly perMinute: number;
  readonly burst: number;
  /** Tokens that must be there for a request of a lane. */
  readonly needed: Readonly<Record<BudgetRequest['lane'], number>>;
  /** Of one caller: the two add up to its share, so that no minute has more. */
  readonly callerBurst: number;
  readonly callerPerMinute: number;
}

/** The numbers of a budget of `perMinute` requests: 30 gives bursts of 6, and to one caller 6 at once and 4 a minute. */
export const budgetNumbers = (perMinute: number): BudgetNumbers => {
  const burst = Math.max(2, Math.ceil(perMinute / 5));
  const share = Math.max(3, Math.floor(perMinute / 3));
  const callerBurst = Math.max(2, Math.floor(share * 0.6));
  return {
    perMinute,
    burst,
    needed: { interactive: 1, background: Math.max(1, burst / 2) },
    callerBurst,
    callerPerMinute: share - callerBurst,
  };
};
