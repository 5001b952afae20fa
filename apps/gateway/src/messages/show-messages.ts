import { Injectable } from '@nestjs/common';
import type { MessageView } from '#lib/contracts/http';
import { atAcknowledgement } from '#lib/conversations/first-stages';
import type { Message } from '#lib/conversations/message';
import { viewOf } from '#lib/conversations/message-view';
import { ReadStages } from './read-stages.js';

/** Makes views of messages for a reader who may see them: adds the current state of their pipeline. */
@Injectable()
export class ShowMessages {
  constructor(private readonly stages: ReadStages) {}

  /** One view per message, in the order of `messages`. Throws DependencyError when a ledger cannot answer. */
  async execute(messages: readonly Message[]): Promise<MessageView[]> {
    const states = await this.stages.execute(messages);
    return messages.map((message) => viewOf(message, states.get(message.id) ?? atAcknowledgement));
  }
}
