import { z } from 'zod';
import { IdempotencyKey, MessageView, NewMessage } from '#lib/contracts/http';
import { ConversationId } from '#lib/contracts/ids';
import { atAcknowledgement } from '#lib/conversations/first-stages';
import { viewOf } from '#lib/conversations/message-view';
import { currentContext, enrichContext } from '#lib/runtime/log/context';
import type { StoreMessage } from '../../../messages/store-message.js';
import { ADDS_ONCE, type AgentTool, agentTool } from './agent-tool.js';

const SentMessage = z.object({
  message: MessageView,
  replayed: z.boolean().meta({ description: 'true: it was stored before under this clientMessageId, and nothing was added' }),
});

export const sendMessageTool = (storeMessage: StoreMessage): AgentTool =>
  agentTool({
    name: 'send_message',
    title: 'Send a message',
    description:
      'Sends a message into a conversation in your name; all its members see it at once, and it cannot be unsent unseen. Safe to repeat: with the same clientMessageId it is stored once. After an error with retryable true, repeat it with the same clientMessageId.',
    route: 'POST /v1/conversations/:conversationId/messages',
    // Metadata is for programs; its schema is recursive, which many hosts of models refuse.
    input: NewMessage.omit({ metadata: true }).extend({
      conversationId: ConversationId.meta({ description: 'The conversation' }),
      clientMessageId: IdempotencyKey.meta({
        description: 'Your own id of this message, 1-255 printable ASCII characters: new for each message, the same when you repeat one',
        examples: ['answer-to-seq-42'],
      }),
    }),
    output: SentMessage,
    annotations: ADDS_ONCE,
    run: async ({ conversationId, clientMessageId: key, content, priority }, senderId) => {
      enrichContext({ conversationId });
      const { requestId, traceparent } = currentContext();
      const draft = { conversationId, senderId, content, metadata: undefined, priority, key, requestId, traceparent };
      const { message, replayed, isIndexed } = await storeMessage.execute(draft);
      enrichContext({ messageId: message.id });
      const view = viewOf(message, isIndexed ? { ...atAcknowledgement, embedding: 'done' } : atAcknowledgement);
      const text = `${replayed ? 'Stored before, nothing was added' : 'Stored'}: message ${view.id}, seq ${view.seq} of conversation ${conversationId}.`;
      return { structured: { message: view, replayed }, text };
    },
  });
