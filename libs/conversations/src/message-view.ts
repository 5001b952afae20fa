import type { MessageView, PipelineState } from '#lib/contracts/http';
import { atAcknowledgement } from './first-stages.js';
import type { Message } from './message.js';

/** A message as its readers see it. @param pipeline how far each stage is; where it is not known, as at the acknowledgement. */
export const viewOf = (message: Message, pipeline: PipelineState = atAcknowledgement): MessageView => ({
  id: message.id,
  conversationId: message.conversationId,
  seq: message.seq,
  senderId: message.senderId,
  content: message.content,
  metadata: message.metadata as MessageView['metadata'],
  version: message.version,
  createdAt: message.createdAt.toISOString(),
  editedAt: message.editedAt?.toISOString(),
  deletedAt: message.deletedAt?.toISOString(),
  pipeline,
});
