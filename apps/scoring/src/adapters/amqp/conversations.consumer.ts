import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { ConversationEnded, ScoreCalculate, ScoreRecalculate, ScoreUpdated } from '#lib/contracts/events';
import { RescoreConversations } from '../../scores/rescore-conversations.js';
import { ScoreConversation } from '../../scores/score-conversation.js';

type Following = (ScoreUpdated | ScoreRecalculate)[];

/** One call per end of a conversation: the batches of both rows are of one event. The bus has checked each against its schema. */
@Controller()
export class ConversationsConsumer {
  constructor(
    private readonly scoreConversation: ScoreConversation,
    private readonly rescoreConversations: RescoreConversations,
  ) {}

  @EventPattern('scoring.conversations')
  async score(@Payload() events: (ConversationEnded | ScoreCalculate)[]): Promise<Following> {
    return (await Promise.all(events.map((event) => this.scoreConversation.handle(event)))).flat();
  }

  @EventPattern('scoring.rescores')
  async rescore(@Payload() events: ScoreRecalculate[]): Promise<Following> {
    return (await Promise.all(events.map((event) => this.rescoreConversations.handle(event)))).flat();
  }
}
