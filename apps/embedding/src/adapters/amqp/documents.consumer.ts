import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { DocumentCreated } from '#lib/contracts/events';
import { IndexDocument } from '../../index-document.js';

/** The edge of this process for documents: a batch of `embedding.documents` has one. */
@Controller()
export class DocumentsConsumer {
  constructor(private readonly indexDocument: IndexDocument) {}

  @EventPattern('embedding.documents')
  async handle(@Payload() events: DocumentCreated[]): Promise<void> {
    for (const event of events) await this.indexDocument.handle(event);
  }
}
