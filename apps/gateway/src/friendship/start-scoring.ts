import { Injectable } from '@nestjs/common';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import { newEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import type { ScoreQuestion } from '#lib/contracts/scores';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { JobStorePort } from '#lib/jobs/job-store.port';
import { ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import { noSuchConversation } from './no-such-conversation.js';

/** Has a conversation scored now, as a job that its caller can follow. One that goes on is ended first, with what was said so far. */
@Injectable()
export class StartScoring {
  constructor(
    private readonly ends: ConversationEndStorePort,
    private readonly jobs: JobStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** @returns the id of the job; while one for the same end is open, of that one. @throws ProblemError `not-found`; DependencyError. */
  async execute({ conversationId, userId }: ScoreQuestion, headers: EventHeaders): Promise<string> {
    const stored = await this.ends.endUnended({ conversationId, userId }, headers);
    if (stored === undefined) throw noSuchConversation();
    const { end, event: ended } = stored;
    const calculate = newEvent('score.calculate', { endId: end.id, conversationId: end.conversationId, userId, jobId: newId() });
    const draft = { id: calculate.data.jobId, kind: 'score', ownerId: userId, subject: end.id } as const;
    const { job, isNew } = await this.jobs.enqueue(draft, calculate, headers);
    // Not awaited: the outbox rows already promise them.
    if (ended !== undefined) this.relay.publishSoon(ended, headers);
    if (isNew) this.relay.publishSoon(calculate, headers);
    return job.id;
  }
}
