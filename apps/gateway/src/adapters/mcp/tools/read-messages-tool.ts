import type { z } from 'zod';
import { MessageList, MessagePage } from '#lib/contracts/http';
import { ConversationId } from '#lib/contracts/ids';
import type { ReadMessages } from '../../../messages/read-messages.js';
import { type AgentTool, agentTool, NOTICE, READS, shown } from './agent-tool.js';
import { lineOf, textOf } from './message-text.js';

/** Which call shows what is before and after a page. */
const more = ({ items, headSeq }: z.infer<typeof MessageList>): string => {
  const [oldest, newest] = [items[0]?.seq ?? 1, items.at(-1)?.seq ?? headSeq];
  return `${oldest > 1 ? ` Older ones: beforeSeq ${oldest}.` : ''}${newest < headSeq ? ` Newer ones: afterSeq ${newest}.` : ''}`;
};

export const readMessagesTool = (readMessages: ReadMessages): AgentTool =>
  agentTool({
    name: 'read_messages',
    title: 'Read messages',
    description:
      'Reads messages of one conversation in their order: the newest, or those after or before a seq. Its result says which call shows more. Use it to read on from a known place, with afterSeq or beforeSeq and never both; use get_context to prepare an answer.',
    route: 'GET /v1/conversations/:conversationId/messages',
    input: MessagePage.safeExtend({ conversationId: ConversationId.meta({ description: 'The conversation' }) }),
    output: shown(MessageList),
    annotations: READS,
    run: async ({ conversationId, ...range }, caller) => {
      const page = await readMessages.execute(conversationId, caller, range);
      const summary = `${page.items.length} message(s) of conversation ${conversationId}, oldest first; the newest of it is seq ${page.headSeq}.${more(page)}`;
      const lines = page.items.map((message) => lineOf(message));
      return { structured: { notice: NOTICE, ...page }, text: textOf(summary, lines) };
    },
  });
