import { ConversationList, ConversationPage } from '#lib/contracts/http';
import type { ListConversations } from '../../../conversations/list-conversations.js';
import { type AgentTool, agentTool, NOTICE, READS, shown } from './agent-tool.js';
import { lineOf, quoted, textOf } from './message-text.js';

/** Characters of a last message, and members that are named, in the text. */
const MAX_LAST = 200;
const MAX_MEMBERS = 10;

export const listConversationsTool = (listConversations: ListConversations): AgentTool =>
  agentTool({
    name: 'list_conversations',
    title: 'List conversations',
    description:
      'Lists the conversations that you are a member of, newest activity first, with members, unread count and last message, a page at a time: its result gives the cursor of the next one. Use it to find the conversationId that the other tools need.',
    route: 'GET /v1/conversations',
    input: ConversationPage,
    output: shown(ConversationList),
    annotations: READS,
    run: async (page, caller) => {
      const list = await listConversations.execute(caller, page);
      const lines = list.items.map(({ id, title, memberIds, unread, lastMessage }) => {
        const others = memberIds.length > MAX_MEMBERS ? ` and ${memberIds.length - MAX_MEMBERS} more` : '';
        const last = lastMessage === null ? 'no message yet' : `last: ${lineOf(lastMessage, MAX_LAST)}`;
        return `conversation ${id}, title ${quoted(title)}, members ${memberIds.slice(0, MAX_MEMBERS).join(' ')}${others}, ${unread} unread, ${last}`;
      });
      const more = list.nextCursor === null ? '' : ` More with cursor ${JSON.stringify(list.nextCursor)}.`;
      return { structured: { notice: NOTICE, ...list }, text: textOf(`${list.items.length} conversation(s).${more}`, lines) };
    },
  });
