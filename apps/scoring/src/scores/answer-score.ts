import { Injectable } from '@nestjs/common';
import type { ScoreAnswer, ScoreQuestion } from '#lib/contracts/scores';
import { ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import { AssessConversation } from './assess-conversation.js';
import { viewOf } from './score-conversation.js';

/** Says what a conversation would be worth now, ended or not. Writes nothing. */
@Injectable()
export class AnswerScore {
  constructor(
    private readonly ends: ConversationEndStorePort,
    private readonly assess: AssessConversation,
  ) {}

  /** @throws DependencyError when a store is out: the caller has its fallback then. */
  async answer(question: ScoreQuestion): Promise<ScoreAnswer> {
    const end = await this.ends.preview(question);
    const transcript = end === undefined ? undefined : await this.assess.transcriptOf(end);
    if (end === undefined || transcript === undefined) return { score: null };
    const { score, degraded } = await this.assess.execute(end, transcript, 'interactive');
    return { score: viewOf(score, score.worth, degraded) };
  }
}
