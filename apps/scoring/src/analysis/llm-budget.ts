import { setTimeout as sleep } from 'node:timers/promises';
import { remainingMs } from '#lib/resilience/call/deadline';
import { DependencyError } from '#lib/resilience/call/errors';
import type { BudgetRequest, SharedBudgetPort } from '#lib/resilience/limit/shared-budget.port';
import { metrics } from '#lib/runtime/metrics/metrics';
import { CallerOverShare } from './caller-over-share.js';

/** Longest wait for budget, in milliseconds: what waits longer gives its worker back, and waits in its queue. */
const PATIENCE_MS = 20_000;
/** Those who were refused at one moment ask again at different ones, up to so much later. */
const SPREAD_MS = 250;

/** Makes requests wait for their turn of the shared budget, for a while. */
export class LlmBudget {
  /** @param patienceMs for tests. */
  constructor(
    private readonly shared: SharedBudgetPort,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /**
   * Takes the budget of one request, waiting for it if it comes in time: within 20 s and the deadline of the running work.
   * @throws CallerOverShare at once when the caller has had its share; DependencyError `overloaded` when there is none in time; the reason of `signal`.
   */
  async take(request: BudgetRequest, signal: AbortSignal): Promise<void> {
    const until = performance.now() + Math.min(this.patienceMs, remainingMs());
    for (;;) {
      signal.throwIfAborted();
      const verdict = await this.shared.take(request);
      metrics.llmBudget.set(this.shared.perMinute);
      if (verdict.granted) return;
      const isOwn = verdict.whose === 'caller';
      if (isOwn || performance.now() + verdict.waitMs > until) {
        metrics.llmBudgetRefused.inc({ scope: isOwn ? 'caller' : 'shared' });
        throw isOwn
          ? new CallerOverShare(verdict.waitMs)
          : new DependencyError('llm', 'budget', 'overloaded', { retryAfterMs: verdict.waitMs });
      }
      await sleep(verdict.waitMs + Math.random() * SPREAD_MS, undefined, { signal });
    }
  }

  /** The endpoint refused a request because there were too many. @param quietMs what its `Retry-After` asks for. */
  async slowDown(quietMs: number | undefined): Promise<void> {
    await this.shared.slowDown(quietMs);
  }
}
