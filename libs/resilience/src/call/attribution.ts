import { AsyncLocalStorage } from 'node:async_hooks';
import { currentContext } from '#lib/runtime/log/context';

/**
 * Callers that must meet a failure which their own data can cause, before it counts against the dependency. Two may share a bad text
 * (its sender and one who searches for it); three at the same time are rather the dependency's doing.
 */
export const CALLERS_TO_BLAME = 3;
/** As long as the window of a breaker. */
const WINDOW_MS = 10_000;

/** Work that is done for several callers at once and fails as a whole: all such failures together count as one caller. */
export const SEVERAL_CALLERS = 'several callers';

const storage = new AsyncLocalStorage<string>();

/** Attributes `work` to `caller`, whatever the context says: for batches of several requests. */
export const attributedTo = <T>(caller: string, work: () => T): T => storage.run(caller, work);

/** Whose data the running work handles; undefined for work of our own (relay, sweeps, checks). */
export const currentCaller = (): string | undefined => storage.getStore() ?? currentContext().userId;

/**
 * Tells what a dependency does from what one caller's data does to it. A statement that Postgres ended because it took too long may be
 * one caller's text; as long as only one or two callers meet that, it must not open a breaker that all share.
 */
export class AttributedFailures {
  /** When each of the last few callers failed last, in milliseconds of `performance.now()`, oldest first. */
  private readonly failedAt = new Map<string, number>();

  /** Notes such a failure. @returns whether it counts against the dependency: enough callers met one lately, or it was work of our own. */
  count(caller: string | undefined): boolean {
    if (caller === undefined) return true;
    const now = performance.now();
    this.failedAt.delete(caller); // so that it is the newest again
    this.failedAt.set(caller, now);
    const [oldest] = this.failedAt;
    if (oldest !== undefined && this.failedAt.size > CALLERS_TO_BLAME) this.failedAt.delete(oldest[0]);
    const recent = [...this.failedAt.values()].filter((at) => now - at <= WINDOW_MS);
    return recent.length >= CALLERS_TO_BLAME;
  }
}
