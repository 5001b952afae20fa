import { Injectable } from '@nestjs/common';
import type { ScoreRecalculate, ScoreUpdated } from '#lib/contracts/events';
import type { UserId } from '#lib/contracts/ids';
import { type ConversationEndRecord, ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import { FriendshipStorePort } from '#lib/scores/friendship/friendship-store.port';
import { SCORING_VERSION } from '#lib/scores/friendship/score-change';
import { AssessConversation } from './assess-conversation.js';
import { leftDegraded, recalculationOf, updatedBy } from './score-events.js';

/** Messages of an end may be edited; ends of so many days are compared with their messages each night, older ones only when they have no score. */
const EDITED_WITHIN_MS = 7 * 24 * 3_600_000;
/** Ends of a user that one event finds due; the rest is due the next time. */
const MOST_DUE = 500;
const PAGE = 200;

/**
 * Scores again, when the model has time: an end whose analysis failed, whose messages changed, or that has no score under today's formula. In the
 * background lane of the budget, so an outage throws and the queue waits: no attempt is burnt.
 */
@Injectable()
export class RescoreConversations {
  constructor(
    private readonly ends: ConversationEndStorePort,
    private readonly assess: AssessConversation,
    private readonly friendship: FriendshipStorePort,
  ) {}

  /** An event of a user becomes one for each of its ends that is due. @throws what AnalyzeConversation.execute throws in the background. */
  async handle({ eventId, data: { userId, endId, reason } }: ScoreRecalculate): Promise<readonly (ScoreUpdated | ScoreRecalculate)[]> {
    if (endId !== undefined) return this.rescore(endId);
    const due = await this.dueOf(userId);
    return due.map((end) => recalculationOf(end, reason, eventId));
  }

  private async rescore(endId: string): Promise<ScoreUpdated[]> {
    const end = await this.ends.find(endId);
    const transcript = end === undefined ? undefined : await this.assess.transcriptOf(end);
    if (end === undefined || transcript === undefined) return [];
    const last = await this.friendship.lastChange(endId, SCORING_VERSION);
    if (last?.fingerprint === transcript.fingerprint) return [updatedBy(last)]; // told again: the process may have died before it told it
    const { score, degraded } = await this.assess.execute(end, transcript, 'background', last?.analysis.memories ?? 0);
    // The model cannot make sense of this conversation: what there is stays, and the next night tries again.
    if (degraded) return [leftDegraded(end, await this.friendship.markDegraded(score))];
    return [updatedBy((await this.friendship.apply(score, 'changed')).change)];
  }

  private async dueOf(userId: UserId): Promise<ConversationEndRecord[]> {
    const editedSince = Date.now() - EDITED_WITHIN_MS;
    const due: ConversationEndRecord[] = [];
    for (let after: string | undefined; due.length < MOST_DUE; ) {
      const page = await this.ends.ofUser(userId, PAGE, after);
      const unscored = await this.friendship.unscored(
        page.map(({ id }) => id),
        SCORING_VERSION,
      );
      due.push(...page.filter(({ id, messages, createdAt }) => unscored.has(id) || (messages && createdAt.getTime() > editedSince)));
      after = page.at(-1)?.id;
      if (page.length < PAGE) break;
    }
    return due.slice(0, MOST_DUE);
  }
}
