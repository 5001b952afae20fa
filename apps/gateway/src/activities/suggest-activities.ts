import { Injectable } from '@nestjs/common';
import type { SuggestionRequest, SuggestionView } from '#lib/contracts/activities';
import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { DependencyError } from '#lib/resilience/call/errors';
import { metrics } from '#lib/runtime/metrics/metrics';
import { withTimeLimit } from '#lib/runtime/work/within';
import { FriendshipStorePort } from '#lib/scores/friendship/friendship-store.port';
import { type FriendshipStatus, newFriendship } from '#lib/scores/friendship/friendship';
import { levelOf } from '#lib/scores/friendship/level';
import { chooseActivities } from './choose-activities.js';
import { CurrentCatalogue } from './current-catalogue.js';

/** Who asks. */
interface Asker {
  readonly userId: UserId;
  /** May ask for every user. */
  readonly isService: boolean;
}

/** A read takes a millisecond; a user who waits has more from a usual answer than from the best one a second later. */
const STATUS_WITHIN_MS = 1_000;

/** Suggests what a user may do next. One read by a primary key, and none when Postgres is known to be away. */
@Injectable()
export class SuggestActivities {
  constructor(
    private readonly friendships: FriendshipStorePort,
    private readonly catalogue: CurrentCatalogue,
  ) {}

  /** @throws ProblemError `not-found` for another user. Answers without Postgres too, `degraded`. */
  async execute(asker: Asker, { userId, language }: SuggestionRequest): Promise<SuggestionView> {
    if (!asker.isService && asker.userId !== userId) throw new ProblemError('not-found', 'There is no such user, or it is not you.');
    const status = await this.statusOf(userId);
    const { score, topicMetrics } = status ?? newFriendship(userId);
    const level = levelOf(score);
    const { current, isBuiltIn } = this.catalogue;
    const chosen = chooseActivities(current, { userId, level, topicMetrics }, language, new Date());
    return { userId, level, ...chosen, degraded: status === undefined || isBuiltIn };
  }

  /** What is known of the user; undefined when Postgres cannot say in time. */
  private async statusOf(userId: UserId): Promise<FriendshipStatus | undefined> {
    try {
      // Not cut off: only the end of the read itself tells the breaker what Postgres does (ADR 34).
      return await withTimeLimit(STATUS_WITHIN_MS, this.friendships.find(userId), () => {
        throw new DependencyError('postgres', 'suggest', 'timeout');
      });
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
      metrics.fallback.inc({ dependency: 'postgres', operation: 'suggest' });
      return undefined;
    }
  }
}
