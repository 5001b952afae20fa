import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { ConversationEnded, ScoreCalculate, ScoreRecalculate, ScoreUpdated } from '#lib/contracts/events';
import { currentDeadline } from '#lib/resilience/call/deadline';
import { RescoreConversations } from '../../scores/rescore-conversations.js';
import { ScoreConversation } from '../../scores/score-conversation.js';
import { YieldingLane } from '../../scores/yielding-lane.js';

type Following = (ScoreUpdated | ScoreRecalculate)[];

/** One call per end of a conversation: the batches of both rows are of one event. The bus has checked each against its schema. */
@Controller()
export class ConversationsConsumer {
  /** Its users sleep; those who write and ask now do not. */
  private readonly rescores = new YieldingLane();

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
    const rescore = async () => (await Promise.all(events.map((event) => this.rescoreConversations.handle(event)))).flat();
    return this.rescores.run(rescore, currentDeadline()?.signal);
  }
}
