import type { UserId } from '#lib/contracts/ids';
import {
  type AppliedChange,
  applyScore,
  type EndScore,
  type FriendshipStatus,
  markedDegraded,
  newFriendship,
  sumOfTopics,
} from '../friendship.js';
import { type ApplyOutcome, type ApplyWhen, type Comparison, FriendshipStorePort } from '../friendship-store.port.js';

/** Scores in memory, for tests and development. */
export class MemoryFriendshipStore extends FriendshipStorePort {
  readonly statuses = new Map<UserId, FriendshipStatus>();
  changes: AppliedChange[] = [];

  /** @param isThere whether an end is there; default: each is. */
  constructor(private readonly isThere: (endId: string) => boolean = () => true) {
    super();
  }

  async find(userId: UserId): Promise<FriendshipStatus> {
    return this.statusOf(userId);
  }

  async history(userId: UserId, { before = Number.POSITIVE_INFINITY, limit }: { before: number | undefined; limit: number }) {
    const own = this.changes.filter((change) => change.userId === userId && change.statusVersion < before);
    return own.toReversed().slice(0, limit);
  }

  async lastChange(endId: string, scoringVersion: number): Promise<AppliedChange | undefined> {
    return this.lastOf(endId, scoringVersion);
  }

  async unscored(endIds: readonly string[], scoringVersion: number): Promise<ReadonlySet<string>> {
    return new Set(endIds.filter((endId) => this.lastOf(endId, scoringVersion) === undefined));
  }

  async apply(score: EndScore, when: ApplyWhen): Promise<ApplyOutcome | undefined> {
    if (!this.isThere(score.endId)) return undefined;
    const last = this.lastOf(score.endId, score.scoringVersion);
    if (last !== undefined && (when === 'unscored' || last.fingerprint === score.fingerprint)) return { change: last, isNew: false };
    const before = this.changes.filter(({ endId }) => endId === score.endId);
    const appliedAt = new Date();
    const { status, scoreChange, topicChanges } = applyScore(this.statusOf(score.userId), score, before);
    const change: AppliedChange = {
      ...score,
      revision: (last?.revision ?? 0) + 1,
      scoreChange,
      topicChanges,
      scoreAfter: status.score,
      isDegradedAfter: status.degradedEnds.length > 0,
      statusVersion: status.version,
      appliedAt,
    };
    this.changes.push(change);
    this.statuses.set(score.userId, { ...status, updatedAt: appliedAt });
    return { change, isNew: true };
  }

  async markDegraded({
    endId,
    userId,
    scoringVersion,
  }: Pick<EndScore, 'endId' | 'userId' | 'scoringVersion'>): Promise<FriendshipStatus | undefined> {
    if (!this.isThere(endId)) return undefined;
    const status = this.statusOf(userId);
    if (this.lastOf(endId, scoringVersion) !== undefined) return status;
    const marked = markedDegraded(status, endId);
    if (marked === status) return status;
    const stored = { ...marked, updatedAt: new Date() };
    this.statuses.set(userId, stored);
    return stored;
  }

  async compare(after: UserId | undefined, limit: number): Promise<Comparison> {
    const users = [...this.statuses.keys()].filter((userId) => after === undefined || userId > after).sort();
    const next = users.slice(0, limit);
    const disagreements = next.flatMap((userId) => {
      const status = this.statuses.get(userId) ?? newFriendship(userId);
      const history = this.changes.filter((change) => change.userId === userId).reduce((sum, { scoreChange }) => sum + scoreChange, 0);
      const found = { userId, score: status.score, topics: sumOfTopics(status), history };
      return found.topics === found.score && found.history === found.score ? [] : [found];
    });
    return { checked: next.length, lastUserId: next.length < limit ? undefined : next.at(-1), disagreements };
  }

  // What follows awaits nothing, so that each change above is one step as a transaction is.
  private statusOf(userId: UserId): FriendshipStatus {
    return this.statuses.get(userId) ?? newFriendship(userId);
  }

  private lastOf(endId: string, scoringVersion: number): AppliedChange | undefined {
    return this.changes.findLast((change) => change.endId === endId && change.scoringVersion === scoringVersion);
  }
}
