import { Injectable } from '@nestjs/common';
import type { MessageCreated } from '#lib/contracts/events';
import { IndexMessages } from './index-messages.js';

/** Indexes a message whose sender waits for its vectors. The same event comes through the pipeline too and finds nothing left to do. */
@Injectable()
export class EmbedNow {
  constructor(private readonly indexMessages: IndexMessages) {}

  /** @throws what {@link IndexMessages.handle} throws. */
  async answer(question: MessageCreated): Promise<{ indexed: true }> {
    await this.indexMessages.handle([question]);
    return { indexed: true };
  }
}
