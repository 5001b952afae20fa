import { Injectable } from '@nestjs/common';
import { ListConversations } from '../../conversations/list-conversations.js';
import { AnswerContext } from '../../context/answer-context.js';
import { ReadMessages } from '../../messages/read-messages.js';
import { StoreMessage } from '../../messages/store-message.js';
import { AnswerSearch } from '../../search/answer-search.js';
import type { AgentTool } from './tools/agent-tool.js';
import { getContextTool } from './tools/get-context-tool.js';
import { listConversationsTool } from './tools/list-conversations-tool.js';
import { readMessagesTool } from './tools/read-messages-tool.js';
import { searchMessagesTool } from './tools/search-messages-tool.js';
import { sendMessageTool } from './tools/send-message-tool.js';

/** The tools that agents may call, by name. */
@Injectable()
export class AgentTools {
  readonly all: readonly AgentTool[];
  private readonly byName: ReadonlyMap<string, AgentTool>;

  constructor(search: AnswerSearch, context: AnswerContext, list: ListConversations, read: ReadMessages, store: StoreMessage) {
    this.all = [
      searchMessagesTool(search),
      getContextTool(context),
      listConversationsTool(list),
      readMessagesTool(read),
      sendMessageTool(store),
    ];
    this.byName = new Map(this.all.map((tool) => [tool.name, tool]));
  }

  /** The tool of that name; undefined when there is none. */
  named(name: unknown): AgentTool | undefined {
    return typeof name === 'string' ? this.byName.get(name) : undefined;
  }
}
