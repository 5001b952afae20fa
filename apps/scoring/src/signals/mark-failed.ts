import { Injectable } from '@nestjs/common';
import type { ParleyEvent, ScoreCalculate } from '#lib/contracts/events';
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
   * Marks only a version that the message has, and a job of the end that it names: a forged event changes neither. A scored version stays scored.
   * @throws DependencyError when Postgres is out.
   */
  async mark({ type, data }: ParleyEvent): Promise<void> {
    if (type === 'score.calculate') return this.failJob(data);
    if (type !== 'message.created' && type !== 'message.edited' && type !== 'message.deleted') return;
    const message = (await this.messages.of([data.messageId])).get(data.messageId);
    if (message?.version !== data.version) return;
    const { content: _, ...facts } = message;
    await this.signals.record([{ ...facts, state: 'failed', signals: undefined }]);
  }

  private async failJob({ jobId, endId }: ScoreCalculate['data']): Promise<void> {
    const job = await this.jobs.find(jobId);
    if (job?.kind === 'score' && job.subject === endId) await this.jobs.fail(jobId, GIVEN_UP);
  }
}
