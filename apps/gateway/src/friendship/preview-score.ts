import { Injectable } from '@nestjs/common';
import { RequesterPort } from '#lib/bus/request-reply/requester.port';
import type { UserId } from '#lib/contracts/ids';
import { SCORE_NOW_QUEUE, SCORE_NOW_TIMEOUT_MS } from '#lib/contracts/pipeline';
import { ProblemError } from '#lib/contracts/problems';
import { ScoreAnswer, type ScoreQuestion, type ScoreView } from '#lib/contracts/scores';
import { remainingMs, withDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import { FairShare } from '#lib/resilience/limit/fair-share';
import { limited } from '#lib/resilience/limit/quotas';
import { metrics } from '#lib/runtime/metrics/metrics';
import { ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import { noSuchConversation } from './no-such-conversation.js';

/** Of one process; the requester takes 50 questions at a time. */
const MOST_AT_ONCE = 20;
/** An analysis takes seconds and two calls of a model. */
const MOST_PER_CALLER = 2;
/** Milliseconds of the request's deadline kept for the answer. */
const TIME_TO_ANSWER_MS = 1_000;

/** Says what a conversation would be worth to a user's score now, ended or not. Writes nothing. */
@Injectable()
export class PreviewScore {
  private readonly share = new FairShare({ max: MOST_AT_ONCE, maxPerCaller: MOST_PER_CALLER });

  constructor(
    private readonly ends: ConversationEndStorePort,
    private readonly requester: RequesterPort,
  ) {}

  /**
   * With the scoring service or its model away, the answer is the fallback (R087): nothing changes, `degraded`.
   * @throws ProblemError `not-found`; `rate-limited` for a caller that waits for others; DependencyError when Postgres is out.
   */
  async execute(caller: UserId, question: ScoreQuestion): Promise<ScoreView> {
    const refusal = this.share.take(caller);
    if (refusal === 'caller') throw limited('user', 'You wait for other calculations: their answers come first.', 1);
    if (refusal === 'all') return fallback(question, 'the scoring service has too much to do');
    try {
      if ((await this.ends.preview(question)) === undefined) throw noSuchConversation();
      return await this.ask(question);
    } finally {
      this.share.giveBack(caller);
    }
  }

  private async ask(question: ScoreQuestion): Promise<ScoreView> {
    const budgetMs = Math.max(1, Math.min(SCORE_NOW_TIMEOUT_MS, remainingMs() - TIME_TO_ANSWER_MS));
    let answer: unknown;
    try {
      answer = await withDeadline(budgetMs, () => this.requester.ask(SCORE_NOW_QUEUE, question));
    } catch (error) {
      if (!(error instanceof DependencyError) && !(error instanceof DeadlineExceeded)) throw error;
      return fallback(question, 'the scoring service did not answer in time');
    }
    const parsed = ScoreAnswer.safeParse(answer);
    if (!parsed.success) return fallback(question, 'the scoring service gave no usable answer');
    if (parsed.data.score === null) throw new ProblemError('not-found', 'What was said in this conversation is not there any more.');
    return parsed.data.score;
  }
}

const fallback = ({ conversationId }: ScoreQuestion, reason: string): ScoreView => {
  metrics.fallback.inc({ dependency: 'llm', operation: 'score' });
  return { conversationId, scoreChange: 0, userQuestions: 0, emotion: 'neutral', degraded: true, reasons: [reason] };
};
