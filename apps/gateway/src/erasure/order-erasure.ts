import { Injectable } from '@nestjs/common';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import { newEvent } from '#lib/contracts/events';
import { newId, type UserId } from '#lib/contracts/ids';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { JobStorePort } from '#lib/jobs/job-store.port';

/** Orders that everything of a user is erased. */
@Injectable()
export class OrderErasure {
  constructor(
    private readonly jobs: JobStorePort,
    private readonly relay: OutboxRelay,
  ) {}

  /** @returns the id of the job: of the one that is under way, when there is one. Throws what the store throws. */
  async execute(userId: UserId, { by, headers }: { readonly by: UserId; readonly headers: EventHeaders }): Promise<string> {
    const id = newId();
    const event = newEvent('user.erased', { conversationId: null, userId, jobId: id });
    const { job, isNew } = await this.jobs.enqueue({ id, kind: 'erasure', ownerId: by, subject: userId }, event, headers);
    if (isNew) this.relay.publishSoon(event, headers);
    return job.id;
  }
}
