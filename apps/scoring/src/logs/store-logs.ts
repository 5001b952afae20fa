import { Injectable } from '@nestjs/common';
import type { ConversationEnded } from '#lib/contracts/events';
import { ObjectStorePort } from '#lib/objects/object-store.port';
import { ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';

const ABOUT = { contentType: 'application/x-ndjson', contentEncoding: 'gzip' } as const;

/**
 * Moves the logs of ended conversations from Postgres to the object store (ADR 31).
 *
 *     staged --put--> staged and stored --logStored--> stored
 *
 * Handled again at any point it ends the same: the key follows from the end.
 */
@Injectable()
export class StoreLogs {
  constructor(
    private readonly ends: ConversationEndStorePort,
    private readonly objects: ObjectStorePort,
  ) {}

  /** Throws DependencyError when Postgres or the store cannot. */
  async handle(events: readonly ConversationEnded[]): Promise<void> {
    if (!this.objects.isConfigured) return;
    // One after another: each holds a log of up to 10 MB.
    for (const { data } of events) await this.store(data.endId);
  }

  private async store(endId: string): Promise<void> {
    const end = await this.ends.find(endId);
    if (end?.log === undefined) return;
    const { objectKey, state } = end.log;
    if (state === 'stored') return;
    const bytes = await this.ends.stagedLog(endId);
    if (bytes === undefined) return; // another process has just moved it, or it was erased
    await this.objects.put(objectKey, bytes, ABOUT);
    // Erased meanwhile: what was erased must not come back.
    if (!(await this.ends.logStored(endId))) await this.objects.remove([objectKey]);
  }
}
