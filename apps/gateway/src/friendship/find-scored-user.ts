import { Injectable } from '@nestjs/common';
import type { EndedConversationId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';

/** Who calls, and whether it may act for any user. */
interface Asker {
  readonly userId: UserId;
  readonly isService: boolean;
}

/** Says whose score a call is about: the user that it names; without one the caller, or for a service the user who ended the conversation. */
@Injectable()
export class FindScoredUser {
  constructor(private readonly ends: ConversationEndStorePort) {}

  /** @throws ProblemError `not-found` for another user than the caller; `validation` for a service when several users ended it. */
  async execute(asker: Asker, conversationId: EndedConversationId, named: UserId | undefined): Promise<UserId> {
    if (!asker.isService) {
      if (named !== undefined && named !== asker.userId) throw new ProblemError('not-found', 'There is no such user for this token.');
      return asker.userId;
    }
    if (named !== undefined) return named;
    const users = await this.ends.usersOf(conversationId);
    if (users.length > 1) {
      throw new ProblemError('validation', 'Several users ended this conversation.', {
        errors: [{ pointer: '/userId', message: 'must say whose score is meant' }],
      });
    }
    return users[0] ?? asker.userId;
  }
}
