import { metrics } from '#lib/runtime/metrics/metrics';

const SECONDS = 60;
const REPORT_EVERY_MS = 1_000;

interface Second {
  /** Whole seconds of `performance.now()`. */
  at: number;
  total: number;
  failed: number;
}

/** Keeps the share of requests answered with 5xx over the last minute in the gauge `error_rate`. */
export class ErrorRate {
  private readonly ring: Second[] = Array.from({ length: SECONDS }, () => ({ at: -1, total: 0, failed: 0 }));
  private timer: NodeJS.Timeout | undefined;

  count(isFailure: boolean): void {
    const at = this.now();
    const second = this.ring[at % SECONDS];
    if (second === undefined) return;
    if (second.at !== at) Object.assign(second, { at, total: 0, failed: 0 });
    second.total += 1;
    if (isFailure) second.failed += 1;
  }

  /** 0 to 1; 0 without requests. */
  get value(): number {
    const since = this.now() - SECONDS;
    const recent = this.ring.filter(({ at }) => at > since);
    const total = recent.reduce((sum, second) => sum + second.total, 0);
    return total === 0 ? 0 : recent.reduce((sum, second) => sum + second.failed, 0) / total;
  }

  /** Writes the gauge every second until {@link stop}. */
  start(): void {
    this.timer = setInterval(() => metrics.errorRate.set(this.value), REPORT_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private now(): number {
    return Math.floor(performance.now() / 1_000);
  }
}
