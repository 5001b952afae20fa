import { Injectable } from '@nestjs/common';
import type { ConversationEnded, ScoreCalculate, ScoreRecalculate, ScoreUpdated } from '#lib/contracts/events';
import type { ScoreView } from '#lib/contracts/scores';
import { JobStorePort } from '#lib/jobs/job-store.port';
import { type ConversationEndRecord, ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import type { EndScore } from '#lib/scores/friendship/friendship';
import { FriendshipStorePort } from '#lib/scores/friendship/friendship-store.port';
import { SCORING_VERSION } from '#lib/scores/friendship/score-change';
import { AssessConversation } from './assess-conversation.js';
import { leftDegraded, recalculationOf, updatedBy } from './score-events.js';

/** What came of an end, and what follows. */
interface Scored {
  readonly view: ScoreView;
  readonly events: readonly (ScoreUpdated | ScoreRecalculate)[];
}

const GONE = 'This conversation is not there any more.';

/**
 * Scores the end of a conversation, once however often its event comes (ADR 33):
 *
 *     end -> has its score? -- yes -----------------------------------------> tell it again
 *                           `- no -> transcript -> analysis -- degraded --> keep the score, mark it, score again later
 *                                                           `- else ------> one commit: status, topics, history
 */
@Injectable()
export class ScoreConversation {
  constructor(
    private readonly ends: ConversationEndStorePort,
    private readonly assess: AssessConversation,
    private readonly friendship: FriendshipStorePort,
    private readonly jobs: JobStorePort,
  ) {}

  /** @returns the events that follow, the same ones for the same event. @throws DependencyError when Postgres is out, Postpone when the object store is. */
  async handle(event: ConversationEnded | ScoreCalculate): Promise<readonly (ScoreUpdated | ScoreRecalculate)[]> {
    if (event.type === 'conversation.ended') return (await this.score(event.data.endId))?.events ?? [];
    const { endId, jobId } = event.data;
    await this.jobs.start(jobId);
    const scored = await this.score(endId);
    if (scored === undefined) await this.jobs.fail(jobId, GONE);
    else await this.jobs.finish(jobId, scored.view);
    return scored?.events ?? [];
  }

  /** Undefined when the end, or what was said in it, is gone. */
  private async score(endId: string): Promise<Scored | undefined> {
    const end = await this.ends.find(endId);
    if (end === undefined) return undefined;
    const before = await this.friendship.lastChange(endId, SCORING_VERSION);
    if (before !== undefined) return { view: viewOf(before, before.scoreChange, false), events: [updatedBy(before)] };
    const transcript = await this.assess.transcriptOrLater(end);
    if (transcript === undefined) return undefined;
    const { score, degraded } = await this.assess.execute(end, transcript, 'interactive', 0);
    if (degraded) return this.leave(end, score);
    const applied = await this.friendship.apply(score, 'unscored');
    if (applied === undefined) return undefined; // erased during the analysis
    const { change } = applied;
    return { view: viewOf(change, change.scoreChange, false), events: [updatedBy(change)] };
  }

  private async leave(end: ConversationEndRecord, score: EndScore): Promise<Scored | undefined> {
    const status = await this.friendship.markDegraded(score);
    if (status === undefined) return undefined;
    const events = [leftDegraded(end, status), recalculationOf(end, 'degraded', '')];
    return { view: viewOf(score, 0, true), events };
  }
}

/** What a caller is shown of a score. */
export const viewOf = ({ conversationId, analysis, reasons }: EndScore, scoreChange: number, degraded: boolean): ScoreView => ({
  conversationId,
  scoreChange,
  userQuestions: analysis.userQuestions,
  emotion: analysis.emotion,
  degraded,
  reasons: [...reasons],
});
