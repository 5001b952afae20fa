import { MessageList, MessagePage } from '#lib/contracts/http';
import { ConversationId } from '#lib/contracts/ids';
import type { ReadMessages } from '../../../messages/read-messages.js';
import { type AgentTool, agentTool, NOTICE, READS, shown } from './agent-tool.js';
import { lineOf, textOf } from './message-text.js';

export const readMessagesTool = (readMessages: ReadMessages): AgentTool =>
  agentTool({
    name: 'read_messages',
    title: 'Read messages',
    description:
      'Reads messages of one conversation in their order: the newest, or those after or before a seq. Use it to read on from a known place; use get_context to prepare an answer.',
    route: 'GET /v1/conversations/:conversationId/messages',
    input: MessagePage.safeExtend({ conversationId: ConversationId.meta({ description: 'The conversation' }) }),
    output: shown(MessageList),
    annotations: READS,
    run: async ({ conversationId, ...range }, caller) => {
      const page = await readMessages.execute(conversationId, caller, range);
      const summary = `${page.items.length} message(s) of conversation ${conversationId}, oldest first; the newest of it is seq ${page.headSeq}.`;
      const lines = page.items.map((message) => lineOf(message));
      return { structured: { notice: NOTICE, ...page }, text: textOf(summary, lines) };
    },
  });
