import type { ConsistencyReport, ConsistencyRun, ConsistencyRunKind, ConsistencyStatus } from '#lib/contracts/admin';
import { newId } from '#lib/contracts/ids';
import { type ClaimedRun, ConsistencyRunsPort, MAX_STARTS, type RunClaim, RUNS_KEPT, SCHEDULE } from '../consistency-runs.port.js';

interface Held {
  run: ConsistencyRun;
  starts: number;
  leaseUntil: number;
}

/** Consistency runs in this process' memory. */
export class MemoryConsistencyRuns extends ConsistencyRunsPort {
  private held: Held[] = [];

  async request(kind: ConsistencyRunKind, by: string): Promise<ConsistencyRun> {
    const waiting = this.held.find((one) => this.isWaiting(one) && one.run.kind === kind && one.run.requestedBy !== SCHEDULE);
    if (waiting !== undefined) return waiting.run;
    const run: ConsistencyRun = {
      id: newId(),
      kind,
      requestedBy: by,
      requestedAt: new Date().toISOString(),
      startedAt: null,
      finishedAt: null,
      report: null,
      failure: null,
    };
    this.held = [...this.held, { run, starts: 0, leaseUntil: 0 }].slice(-RUNS_KEPT);
    return run;
  }

  async requestWhenDue(everyMs: number): Promise<void> {
    const isUnderWay = this.held.some(({ run }) => run.finishedAt === null);
    const isFresh = this.held.some(({ run: { finishedAt } }) => finishedAt !== null && Date.parse(finishedAt) > Date.now() - everyMs);
    if (!isUnderWay && !isFresh) await this.request('repair', SCHEDULE);
  }

  async claim(leaseMs: number): Promise<ClaimedRun | undefined> {
    for (const one of this.held) {
      if (this.isWaiting(one) && one.starts >= MAX_STARTS) this.end(one, { failure: GIVEN_UP });
    }
    if (this.held.some((one) => this.isRunning(one))) return undefined;
    const next = this.held.find((one) => this.isWaiting(one));
    if (next === undefined) return undefined;
    next.starts += 1;
    next.leaseUntil = Date.now() + leaseMs;
    next.run = { ...next.run, startedAt: new Date().toISOString() };
    return { ...next.run, start: next.starts };
  }

  async progress(claim: RunClaim, report: ConsistencyReport, leaseMs: number): Promise<boolean> {
    const one = this.claimed(claim);
    if (one === undefined || !this.isRunning(one)) return false;
    one.leaseUntil = Date.now() + leaseMs;
    one.run = { ...one.run, report };
    return true;
  }

  async finish(claim: RunClaim, report: ConsistencyReport): Promise<boolean> {
    const one = this.claimed(claim);
    if (one !== undefined) this.end(one, { report });
    return one !== undefined;
  }

  async fail(claim: RunClaim, reason: string): Promise<void> {
    const one = this.claimed(claim);
    if (one !== undefined) this.end(one, { failure: reason });
  }

  async find(id: string): Promise<ConsistencyRun | undefined> {
    return this.held.find(({ run }) => run.id === id)?.run;
  }

  async status(): Promise<ConsistencyStatus> {
    const done = this.held
      .filter(({ run }) => run.finishedAt !== null)
      .sort((a, b) => String(a.run.finishedAt).localeCompare(String(b.run.finishedAt)));
    return {
      waiting: this.held.find((one) => this.isWaiting(one))?.run ?? null,
      running: this.held.find((one) => this.isRunning(one))?.run ?? null,
      last: done.at(-1)?.run ?? null,
    };
  }

  /** The run while `claim` is its newest and it has not ended. */
  private claimed({ id, start }: RunClaim): Held | undefined {
    return this.held.find(({ run, starts }) => run.id === id && starts === start && run.finishedAt === null);
  }

  private isRunning({ run, leaseUntil }: Held): boolean {
    return run.finishedAt === null && leaseUntil > Date.now();
  }

  private isWaiting({ run, leaseUntil }: Held): boolean {
    return run.finishedAt === null && leaseUntil <= Date.now();
  }

  private end(one: Held, outcome: Partial<ConsistencyRun>): void {
    one.run = { ...one.run, ...outcome, finishedAt: new Date().toISOString() };
  }
}

const GIVEN_UP = `was begun ${MAX_STARTS} times, and each time its process went away`;
