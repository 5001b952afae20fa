import type { ConsistencyReport, ConsistencyRun, FindingKind } from '#lib/contracts/admin';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { ConsistencyRunsPort, SCHEDULE } from '#lib/vectors/consistency/consistency-runs.port';
import { type CheckConsistency, RunTakenOver } from './check-consistency.js';

/** Longer than one page takes when everything is slow: 10 s for the vector store, 5 s for each question to Postgres. */
const LEASE_MS = 60_000;

/** Takes comparisons from the board and does them, one at a time over all processes; asks for one when the last is long ago. */
export class RunConsistency {
  /** @param check makes the comparison when it is needed: a remote model may have to be asked for its collection first. */
  constructor(
    private readonly board: ConsistencyRunsPort,
    private readonly check: () => Promise<Pick<CheckConsistency, 'execute'>>,
    private readonly everyMs: number,
    private readonly logger: Logger,
  ) {}

  /** Does one run if there is one to do. @throws DependencyError when the board cannot be reached. */
  async execute(signal: AbortSignal): Promise<void> {
    await this.board.requestWhenDue(this.everyMs);
    const run = await this.board.claim(LEASE_MS);
    if (run === undefined) return;
    const startedAt = performance.now();
    try {
      const check = await this.check();
      const onProgress = (report: ConsistencyReport) => this.board.progress(run.id, report, LEASE_MS);
      const report = await check.execute({ repair: repairOf(run), signal, onProgress });
      await this.board.finish(run.id, report);
      this.tell(run, report, performance.now() - startedAt);
    } catch (error) {
      await this.failed(run, error, signal);
    }
  }

  /** What was found and repaired, as metrics and as one line: what a schedule repairs again and again has a cause to be found. */
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

  /** Interrupted by our own stop, or by who took over: the run is begun again by somebody else. */
  private async failed({ id, kind }: ConsistencyRun, error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted || error instanceof RunTakenOver) return;
    this.logger.warn({ run: id, kind, err: error }, 'comparing messages and vectors failed');
    await this.board.fail(id, error instanceof Error ? error.message : 'unknown');
  }
}

const repairOf = ({ kind, requestedBy }: ConsistencyRun) => {
  if (kind === 'check') return 'none';
  return requestedBy === SCHEDULE ? 'some' : 'all';
};
