import type { MessageView, PipelineState } from '#lib/contracts/http';
import type { Message } from '#lib/conversations/message';

/** A message as its readers see it. */
export const viewOf = (message: Message, pipeline: PipelineState): MessageView => ({
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
