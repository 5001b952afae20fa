import { Inject, Injectable } from '@nestjs/common';
import type { UserId } from '#lib/contracts/ids';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { FriendshipStorePort } from '#lib/scores/friendship/friendship-store.port';

/** Users that one run compares: one statement of some ten milliseconds. */
const PAGE = 1_000;

/**
 * Compares the score of every user with its topics and its history (R088), round after round. Disagreements are counted and logged, never repaired:
 * only a bug can make one, and a repair would hide it (ADR 33).
 */
@Injectable()
export class CompareScores {
  private lastUserId: UserId | undefined;
  private found = { topics: 0, history: 0 };

  constructor(
    private readonly friendship: FriendshipStorePort,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Compares the next users. @throws DependencyError. */
  async execute(): Promise<void> {
    const { lastUserId, disagreements } = await this.friendship.compare(this.lastUserId, PAGE);
    for (const { userId, score, topics, history } of disagreements) {
      this.logger.error({ code: 'score-disagreement', userId, score, topics, history }, 'a score is not the sum of its parts');
      if (topics !== score) this.found.topics += 1;
      if (history !== score) this.found.history += 1;
    }
    this.lastUserId = lastUserId;
    if (lastUserId !== undefined) return;
    metrics.scoreDisagreements.set({ part: 'topics' }, this.found.topics);
    metrics.scoreDisagreements.set({ part: 'history' }, this.found.history);
    this.found = { topics: 0, history: 0 };
  }
}
