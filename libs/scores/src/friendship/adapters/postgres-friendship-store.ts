import { type EntityManager, In, LessThan } from 'typeorm';
import type { UserId } from '#lib/contracts/ids';
import { TopicMetrics } from '#lib/contracts/scores';
import { FriendshipStatusEntity } from '#lib/database/adapters/entities/friendship-status.entity';
import { ScoreChangeEntity } from '#lib/database/adapters/entities/score-change.entity';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { DependencyError } from '#lib/resilience/call/errors';
import { type AppliedChange, applyScore, type EndScore, type FriendshipStatus, markedDegraded, newFriendship } from '../friendship.js';
import {
  APPLY_TRIES,
  type ApplyOutcome,
  type ApplyWhen,
  type Comparison,
  type Disagreement,
  FriendshipStorePort,
} from '../friendship-store.port.js';

/** Another worker changed the status or scored the end since it was read: nothing was written. */
class LostRace extends Error {}

const HOLD_END = 'SELECT FROM conversation_ends WHERE id = $1 FOR KEY SHARE';

/** The topics' and the history's sums beside the score, for the next users: one statement, so one snapshot. */
const COMPARE = `
  SELECT user_id AS "userId", score,
    (SELECT coalesce(sum((metric.value ->> 'score')::int), 0)::int FROM jsonb_each(topic_metrics) metric) AS topics,
    (SELECT coalesce(sum(score_change), 0)::int FROM score_changes WHERE user_id = status.user_id) AS history
  FROM friendship_statuses status WHERE user_id > $1 ORDER BY user_id LIMIT $2`;

/** Asked for with every suggestion: the repository's statement is planned anew each time, and its entity is built column by column. */
const STATUS = {
  name: 'friendship-status',
  text: `
    SELECT score, topic_metrics AS "topicMetrics", degraded_ends AS "degradedEnds", version, updated_at AS "updatedAt"
      FROM friendship_statuses WHERE user_id = $1`,
};

/** Scores in the tables `friendship_statuses` and `score_changes`. */
export class PostgresFriendshipStore extends FriendshipStorePort {
  /** @param dataSource over the same lane. */
  constructor(
    private readonly lane: PostgresLane,
    private readonly dataSource: LaneDataSource,
  ) {
    super();
  }

  async find(userId: UserId): Promise<FriendshipStatus> {
    const [row] = await this.lane.query<StatusRow>(STATUS, [userId]);
    return statusFrom(userId, row);
  }

  async history(userId: UserId, { before, limit }: { before: number | undefined; limit: number }): Promise<AppliedChange[]> {
    const changes = this.dataSource.getRepository(ScoreChangeEntity);
    const older = before === undefined ? {} : { statusVersion: LessThan(before) };
    const found = await changes.find({ where: { userId, ...older }, order: { statusVersion: 'DESC' }, take: limit });
    return found.map(changeFrom);
  }

  async lastChange(endId: string, scoringVersion: number): Promise<AppliedChange | undefined> {
    const changes = this.dataSource.getRepository(ScoreChangeEntity);
    const found = await changes.find({ where: { endId, scoringVersion }, order: { revision: 'DESC' }, take: 1 });
    return found.map(changeFrom)[0];
  }

  async unscored(endIds: readonly string[], scoringVersion: number): Promise<ReadonlySet<string>> {
    const changes = this.dataSource.getRepository(ScoreChangeEntity);
    const scored = await changes.find({ select: { endId: true }, where: { endId: In(endIds), scoringVersion } });
    const known = new Set(scored.map(({ endId }) => endId));
    return new Set(endIds.filter((endId) => !known.has(endId)));
  }

  async apply(score: EndScore, when: ApplyWhen): Promise<ApplyOutcome | undefined> {
    return this.untilWon(async (manager) => {
      if (!(await holdEnd(manager, score.endId))) return undefined;
      // The status is read first: a change that is committed between the two reads makes its version wrong.
      const status = await statusOf(manager, score.userId);
      const before = await changesOf(manager, score.endId);
      const last = before.findLast(({ scoringVersion }) => scoringVersion === score.scoringVersion);
      if (last !== undefined && (when === 'unscored' || last.fingerprint === score.fingerprint)) return { change: last, isNew: false };
      const next = applyScore(status, score, before);
      const change = {
        ...score,
        revision: (last?.revision ?? 0) + 1,
        scoreChange: next.scoreChange,
        topicChanges: next.topicChanges,
        scoreAfter: next.status.score,
        isDegradedAfter: next.status.degradedEnds.length > 0,
        statusVersion: next.status.version,
      };
      // It is written first, too: workers of one user wait for one another here, and the later one finds its version gone.
      await write(manager, next.status);
      return { change: { ...change, appliedAt: await insert(manager, change) }, isNew: true };
    });
  }

  async markDegraded({
    endId,
    userId,
    scoringVersion,
  }: Pick<EndScore, 'endId' | 'userId' | 'scoringVersion'>): Promise<FriendshipStatus | undefined> {
    return this.untilWon(async (manager) => {
      if (!(await holdEnd(manager, endId))) return undefined;
      const status = await statusOf(manager, userId);
      if (await manager.existsBy(ScoreChangeEntity, { endId, scoringVersion })) return status;
      const marked = markedDegraded(status, endId);
      return marked === status ? status : { ...marked, updatedAt: await write(manager, marked) };
    });
  }

  async compare(after: UserId | undefined, limit: number): Promise<Comparison> {
    const rows = await this.dataSource.query<Disagreement[]>(COMPARE, [after ?? '', limit]);
    return {
      checked: rows.length,
      lastUserId: rows.length < limit ? undefined : rows.at(-1)?.userId,
      disagreements: rows.filter(({ score, topics, history }) => topics !== score || history !== score),
    };
  }

  /** Runs a transaction again from the start after each lost race. */
  private async untilWon<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.dataSource.transaction(work);
      } catch (error) {
        if (!(error instanceof LostRace)) throw error;
        if (tries >= APPLY_TRIES) throw new DependencyError('postgres', 'friendship', 'overloaded', { cause: error });
      }
    }
  }
}

/** Whether the end is there; then it stays until this transaction ends, and after that its removal finds what was written. */
const holdEnd = async (manager: EntityManager, endId: string): Promise<boolean> =>
  (await manager.query<object[]>(HOLD_END, [endId])).length === 1;

type StatusRow = Omit<FriendshipStatusEntity, 'userId'>;

const statusOf = async (manager: EntityManager, userId: UserId): Promise<FriendshipStatus> => {
  return statusFrom(userId, (await manager.findOneBy(FriendshipStatusEntity, { userId })) ?? undefined);
};

const statusFrom = (userId: UserId, row: StatusRow | undefined): FriendshipStatus => {
  if (row === undefined) return newFriendship(userId);
  const { score, version, updatedAt, degradedEnds } = row;
  return { userId, score, topicMetrics: TopicMetrics.parse(row.topicMetrics), degradedEnds, version, updatedAt };
};

const changesOf = async (manager: EntityManager, endId: string): Promise<AppliedChange[]> => {
  const found = await manager.find(ScoreChangeEntity, { where: { endId }, order: { statusVersion: 'ASC' } });
  return found.map(changeFrom);
};

/** @throws LostRace when the status is not of the version before. */
const write = async (
  manager: EntityManager,
  { userId, score, topicMetrics, degradedEnds, version }: Omit<FriendshipStatus, 'updatedAt'>,
) => {
  const values = { score, topicMetrics, degradedEnds: [...degradedEnds], version, updatedAt: () => 'now()' };
  const isFirst = version === 1;
  const { raw } = isFirst
    ? await manager
        .createQueryBuilder()
        .insert()
        .into(FriendshipStatusEntity)
        .values({ userId, ...values })
        .orIgnore()
        .returning('updated_at')
        .execute()
    : await manager
        .createQueryBuilder()
        .update(FriendshipStatusEntity)
        .set(values)
        .where({ userId, version: version - 1 })
        .returning('updated_at')
        .execute();
  const [row] = raw as { updated_at: Date }[];
  if (row === undefined) throw new LostRace();
  return row.updated_at;
};

/** @throws LostRace when the end has this revision. */
const insert = async (manager: EntityManager, change: Omit<AppliedChange, 'appliedAt'>): Promise<Date> => {
  const values = { ...change, topics: [...change.topics], reasons: [...change.reasons], appliedAt: () => 'now()' };
  const query = manager.createQueryBuilder().insert().into(ScoreChangeEntity).values(values).orIgnore().returning('applied_at');
  const [row] = (await query.execute()).raw as { applied_at: Date }[];
  if (row === undefined) throw new LostRace();
  return row.applied_at;
};

/** Every column is a field of the change. */
const changeFrom = (row: ScoreChangeEntity): AppliedChange => Object.assign<object, AppliedChange>({}, row);
