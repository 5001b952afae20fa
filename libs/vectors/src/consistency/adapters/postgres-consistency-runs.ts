import { type FindOptionsWhere, IsNull, MoreThanOrEqual, Not, Raw, type Repository } from 'typeorm';
import { ConsistencyReport, type ConsistencyRun, type ConsistencyRunKind, type ConsistencyStatus } from '#lib/contracts/admin';
import { newId } from '#lib/contracts/ids';
import { ConsistencyRunEntity } from '#lib/database/adapters/entities/consistency-run.entity';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { type ClaimedRun, ConsistencyRunsPort, MAX_STARTS, type RunClaim, RUNS_KEPT, SCHEDULE } from '../consistency-runs.port.js';

/** Key of the advisory lock under which runs are requested and claimed: the ASCII codes of "vector". */
const LOCK = 'SELECT pg_advisory_xact_lock(130480079566706)';

// All times are those of Postgres: the processes' clocks may differ.
const NOW = () => 'now()';
const inMs = (ms: number) => () => `now() + ${ms} * interval '1 millisecond'`;

type Condition = FindOptionsWhere<ConsistencyRunEntity>;
const isOpen: Condition = { finishedAt: IsNull() };
const isRunning: Condition = { finishedAt: IsNull(), leaseUntil: Raw((until) => `${until} > now()`) };
const isWaiting: Condition = { finishedAt: IsNull(), leaseUntil: Raw((until) => `(${until} IS NULL OR ${until} <= now())`) };
const isFinished: Condition = { finishedAt: Not(IsNull()) };

const BEFORE_THE_KEPT = `finished_at < (SELECT finished_at FROM consistency_runs WHERE finished_at IS NOT NULL
  ORDER BY finished_at DESC OFFSET :kept LIMIT 1)`;

/** Consistency runs in the table `consistency_runs`. */
export class PostgresConsistencyRuns extends ConsistencyRunsPort {
  private readonly runs: Repository<ConsistencyRunEntity>;

  constructor(private readonly dataSource: LaneDataSource) {
    super();
    this.runs = dataSource.getRepository(ConsistencyRunEntity);
  }

  async request(kind: ConsistencyRunKind, by: string): Promise<ConsistencyRun> {
    return this.oneAtATime(async (runs) => {
      const waiting = await runs.findOneBy({ ...isWaiting, kind, requestedBy: Not(SCHEDULE) });
      if (waiting !== null) return runFrom(waiting);
      const id = newId();
      await runs.insert({ id, kind, requestedBy: by });
      return runFrom(await runs.findOneByOrFail({ id }));
    });
  }

  async requestWhenDue(everyMs: number): Promise<void> {
    const isRecent: Condition = {
      finishedAt: Raw((at) => `(${at} IS NULL OR ${at} > now() - :everyMs * interval '1 millisecond')`, { everyMs }),
    };
    await this.oneAtATime(async (runs) => {
      if (await runs.existsBy(isRecent)) return;
      await runs.insert({ id: newId(), kind: 'repair', requestedBy: SCHEDULE });
    });
  }

  async claim(leaseMs: number): Promise<ClaimedRun | undefined> {
    return this.oneAtATime(async (runs) => {
      const failure = `was begun ${MAX_STARTS} times, and each time its process went away`;
      await runs.update({ ...isWaiting, starts: MoreThanOrEqual(MAX_STARTS) }, { finishedAt: NOW, failure });
      if (await runs.existsBy(isRunning)) return undefined;
      const next = await runs.findOne({ where: isWaiting, order: { requestedAt: 'ASC' } });
      if (next === null) return undefined;
      await runs.update({ id: next.id }, { startedAt: NOW, starts: () => 'starts + 1', leaseUntil: inMs(leaseMs) });
      const claimed = await runs.findOneByOrFail({ id: next.id });
      return { ...runFrom(claimed), start: claimed.starts };
    });
  }

  async progress({ id, start }: RunClaim, report: ConsistencyReport, leaseMs: number): Promise<boolean> {
    const { affected } = await this.runs.update({ ...isRunning, id, starts: start }, { report, leaseUntil: inMs(leaseMs) });
    return affected === 1;
  }

  async finish({ id, start }: RunClaim, report: ConsistencyReport): Promise<boolean> {
    const { affected } = await this.runs.update({ ...isOpen, id, starts: start }, { report, finishedAt: NOW });
    await this.runs
      .createQueryBuilder()
      .delete()
      .where(BEFORE_THE_KEPT, { kept: RUNS_KEPT - 1 })
      .execute();
    return affected === 1;
  }

  async fail({ id, start }: RunClaim, reason: string): Promise<void> {
    await this.runs.update({ ...isOpen, id, starts: start }, { failure: reason, finishedAt: NOW });
  }

  async find(id: string): Promise<ConsistencyRun | undefined> {
    const run = await this.runs.findOneBy({ id });
    return run === null ? undefined : runFrom(run);
  }

  async status(): Promise<ConsistencyStatus> {
    const [waiting, running, last] = [
      await this.runs.findOne({ where: isWaiting, order: { requestedAt: 'ASC' } }),
      await this.runs.findOne({ where: isRunning, order: { startedAt: 'ASC' } }),
      await this.runs.findOne({ where: isFinished, order: { finishedAt: 'DESC' } }),
    ];
    return { waiting: waiting && runFrom(waiting), running: running && runFrom(running), last: last && runFrom(last) };
  }

  private oneAtATime<T>(work: (runs: Repository<ConsistencyRunEntity>) => Promise<T>): Promise<T> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query(LOCK);
      return work(manager.getRepository(ConsistencyRunEntity));
    });
  }
}

const runFrom = ({ id, kind, requestedBy, requestedAt, startedAt, finishedAt, report, failure }: ConsistencyRunEntity): ConsistencyRun => ({
  id,
  kind,
  requestedBy,
  failure,
  requestedAt: requestedAt.toISOString(),
  startedAt: startedAt?.toISOString() ?? null,
  finishedAt: finishedAt?.toISOString() ?? null,
  // Another version may have written another report: then there is none to show.
  report: ConsistencyReport.safeParse(report).data ?? null,
});
