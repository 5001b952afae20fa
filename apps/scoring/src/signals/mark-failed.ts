import { Injectable } from '@nestjs/common';
import type { ParleyEvent } from '#lib/contracts/events';
import { MessageSignalsPort } from '#lib/scores/signals/message-signals.port';
import { JobStorePort } from '#lib/jobs/job-store.port';
import { CurrentMessagesPort } from './current-messages.port.js';

/** What the owner of a job reads whose event is a dead letter. */
const GIVEN_UP = 'The score could not be calculated. An operator is told, and can have it tried again.';

/** Marks the row of a dead-lettered message: `pipeline.scoring` is `failed` until its dead letter is replayed. A job that was given up has failed. */
@Injectable()
export class MarkFailed {
  constructor(
    private readonly messages: CurrentMessagesPort,
    private readonly signals: MessageSignalsPort,
    private readonly jobs: JobStorePort,
  ) {}

  /**
   * Marks only a version that the message has: a forged event must not enter the table. A scored version stays scored.
   * @throws DependencyError when Postgres is out.
   */
  async mark({ type, data }: ParleyEvent): Promise<void> {
    if (type === 'score.calculate') return this.jobs.fail(data.jobId, GIVEN_UP);
    if (type !== 'message.created' && type !== 'message.edited' && type !== 'message.deleted') return;
    const message = (await this.messages.of([data.messageId])).get(data.messageId);
    if (message?.version !== data.version) return;
    const { content: _, ...facts } = message;
    await this.signals.record([{ ...facts, state: 'failed', signals: undefined }]);
  }
}
