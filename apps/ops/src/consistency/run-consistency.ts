import { Inject, Injectable } from '@nestjs/common';
import type { ConsistencyReport, ConsistencyRun, FindingKind } from '#lib/contracts/admin';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { type ClaimedRun, ConsistencyRunsPort, SCHEDULE } from '#lib/vectors/consistency/consistency-runs.port';
import { CheckConsistency, RunTakenOver } from './check-consistency.js';

/** Lease in milliseconds, longer than one slow page: 10 s for the vector store, 5 s per query to Postgres. */
const LEASE_MS = 60_000;

/** Takes requested comparisons and does them, one at a time over all processes; requests one when the last is long ago. */
@Injectable()
export class RunConsistency {
  constructor(
    private readonly runs: ConsistencyRunsPort,
    private readonly check: CheckConsistency,
    @Inject(CONFIG) private readonly config: Pick<Config, 'CONSISTENCY_EVERY_MS'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Does one run if there is one to do. @throws DependencyError when Postgres cannot say. */
  async execute(signal: AbortSignal): Promise<void> {
    await this.runs.requestWhenDue(this.config.CONSISTENCY_EVERY_MS);
    const run = await this.runs.claim(LEASE_MS);
    if (run === undefined) return;
    const startedAt = performance.now();
    try {
      const onProgress = (report: ConsistencyReport) => this.runs.progress(run, report, LEASE_MS);
      const report = await this.check.execute({ repair: repairOf(run), signal, onProgress });
      if (!(await this.runs.finish(run, report))) throw new RunTakenOver();
      this.tell(run, report, performance.now() - startedAt);
    } catch (error) {
      await this.failed(run, error, signal);
    }
  }

  /** Reports findings and repairs as metrics and one log line: what a schedule repairs again and again has a cause. */
  private tell({ id, kind, requestedBy }: ConsistencyRun, report: ConsistencyReport, durationMs: number): void {
    const { findings, examples, ...counts } = report;
    const by = requestedBy === SCHEDULE ? 'schedule' : 'operator';
    for (const [what, count] of Object.entries(report.repaired)) metrics.consistencyRepaired.inc({ by, what }, count);
    for (const [name, count] of Object.entries(findings)) metrics.consistencyFindings.set({ kind: name }, count);
    const isWrong = Object.entries(findings).some(([name, count]) => (name as FindingKind) !== 'failed' && count > 0);
    const fields = { audit: `consistency.${kind}`, by: requestedBy, run: id, ...counts, findings, durationMs: Math.round(durationMs) };
    if (isWrong) this.logger.warn({ ...fields, examples }, 'messages and vectors were out of step');
    else this.logger.info(fields, 'messages and vectors are in step');
  }

  /** Interrupted by our own stop, or taken over: another process begins the run again. */
  private async failed(run: ClaimedRun, error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted || error instanceof RunTakenOver) return;
    this.logger.warn({ run: run.id, kind: run.kind, err: error }, 'comparing messages and vectors failed');
    await this.runs.fail(run, error instanceof Error ? error.message : 'unknown');
  }
}

const repairOf = ({ kind, requestedBy }: ConsistencyRun) => {
  if (kind === 'check') return 'none';
  return requestedBy === SCHEDULE ? 'some' : 'all';
};
