import { Injectable } from '@nestjs/common';
import { Postpone } from '#lib/bus/outcome';
import type { ScoreRecalculate, ScoreUpdated } from '#lib/contracts/events';
import { derivedId, type UserId } from '#lib/contracts/ids';
import { type ConversationEndRecord, ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import { FriendshipStorePort } from '#lib/scores/friendship/friendship-store.port';
import { SCORING_VERSION } from '#lib/scores/friendship/score-change';
import { AssessConversation } from './assess-conversation.js';
import { leftDegraded, recalculationOf, updatedBy } from './score-events.js';

/** Messages of an end may be edited; ends of so many days are compared with their messages each night, older ones only when they have no score. */
const EDITED_WITHIN_MS = 7 * 24 * 3_600_000;
/** Ends of a user that one event names. Of more that are due others the next time, so that those that can never be scored hold up none. */
const MOST_DUE = 500;
const PAGE = 200;
/** A process dies between its commit and its event: the event comes again within this time. Later, what did not change is not told. */
const TOLD_AGAIN_WITHIN_MS = 3_600_000;
/** Users over their share that are remembered; of those beyond, the oldest are forgotten: another process may have had their events since. */
const MOST_WAITING = 1_000;

/**
 * Scores again, when the model has time: an end whose analysis failed, whose messages changed, or that has no score under today's formula. In the
 * background lane of the budget, so an outage throws and the queue waits: no attempt is burnt.
 */
@Injectable()
export class RescoreConversations {
  /** When users who are over their share of the budget have room again: until then none of their transcripts is read. */
  private readonly waiting = new Map<UserId, number>();

  constructor(
    private readonly ends: ConversationEndStorePort,
    private readonly assess: AssessConversation,
    private readonly friendship: FriendshipStorePort,
  ) {}

  /** An event of a user becomes one for each of its ends that is due. @throws what AnalyzeConversation.execute throws in the background. */
  async handle({ eventId, data: { userId, endId, reason } }: ScoreRecalculate): Promise<readonly (ScoreUpdated | ScoreRecalculate)[]> {
    if (endId !== undefined) return this.inTurn(userId, () => this.rescore(endId));
    const due = await this.dueOf(userId, eventId);
    return due.map((end) => recalculationOf(end, reason, eventId));
  }

  /** @throws Postpone, at once while the share of this user is used up: hundreds of its ends come round every few seconds. */
  private async inTurn<T>(userId: UserId, work: () => Promise<T>): Promise<T> {
    const waitMs = (this.waiting.get(userId) ?? 0) - performance.now();
    if (waitMs > 0) throw new Postpone(waitMs, 'the user has had its share of the LLM budget of this minute');
    this.waiting.delete(userId);
    try {
      return await work();
    } catch (error) {
      if (error instanceof Postpone) this.remember(userId, error.delayMs);
      throw error;
    }
  }

  private remember(userId: UserId, waitMs: number): void {
    this.waiting.set(userId, performance.now() + waitMs);
    const [oldest] = this.waiting.keys();
    if (oldest !== undefined && this.waiting.size > MOST_WAITING) this.waiting.delete(oldest);
  }

  private async rescore(endId: string): Promise<ScoreUpdated[]> {
    const end = await this.ends.find(endId);
    const transcript = end === undefined ? undefined : await this.assess.transcriptOrLater(end);
    if (end === undefined || transcript === undefined) return [];
    const last = await this.friendship.lastChange(endId, SCORING_VERSION);
    if (last?.fingerprint === transcript.fingerprint)
      return Date.now() - last.appliedAt.getTime() < TOLD_AGAIN_WITHIN_MS ? [updatedBy(last)] : [];
    const { score, degraded } = await this.assess.execute(end, transcript, 'background', last?.analysis.memories ?? 0);
    // The model cannot make sense of this conversation: what there is stays, and the next night tries again.
    if (degraded) {
      const status = await this.friendship.markDegraded(score);
      return status === undefined ? [] : [leftDegraded(end, status)];
    }
    const applied = await this.friendship.apply(score, 'changed');
    return applied === undefined ? [] : [updatedBy(applied.change)]; // undefined: erased during the analysis
  }

  /** Of more than {@link MOST_DUE} a choice that is the same for the same event, and another one for the next. In the order of the ends. */
  private async dueOf(userId: UserId, eventId: string): Promise<ConversationEndRecord[]> {
    const editedSince = Date.now() - EDITED_WITHIN_MS;
    let due: { end: ConversationEndRecord; rank: string }[] = [];
    for (let after: string | undefined; ; ) {
      const page = await this.ends.ofUser(userId, PAGE, after);
      const unscored = await this.friendship.unscored(
        page.map(({ id }) => id),
        SCORING_VERSION,
      );
      const found = page.filter(({ id, messages, createdAt }) => unscored.has(id) || (messages && createdAt.getTime() > editedSince));
      due = chosen([...due, ...found.map((end) => ({ end, rank: derivedId('due', eventId, end.id) }))]);
      after = page.at(-1)?.id;
      if (page.length < PAGE) break;
    }
    return due.map(({ end }) => end).toSorted((one, other) => (one.id < other.id ? -1 : 1));
  }
}

const chosen = <Ranked extends { readonly rank: string }>(all: readonly Ranked[]): Ranked[] =>
  all.toSorted((one, other) => (one.rank < other.rank ? -1 : 1)).slice(0, MOST_DUE);
