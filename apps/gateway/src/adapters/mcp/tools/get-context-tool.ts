import { ContextRequest, ContextView } from '#lib/contracts/http';
import { ConversationId } from '#lib/contracts/ids';
import type { AnswerContext } from '../../../context/answer-context.js';
import { type AgentTool, agentTool, NOTICE, READS, shown } from './agent-tool.js';
import { leftOut, lineOf, textOf } from './message-text.js';

export const getContextTool = (answerContext: AnswerContext): AgentTool =>
  agentTool({
    name: 'get_context',
    title: 'Get a context window',
    description:
      'Gives what you need to know of one conversation to answer in it, within a token budget: its newest messages, and older ones that fit your query. Use it before you answer in a conversation; it never lacks the newest message.',
    route: 'POST /v1/conversations/:conversationId/context',
    input: ContextRequest.extend({ conversationId: ConversationId.meta({ description: 'The conversation' }) }).meta({
      id: undefined,
      examples: undefined,
    }),
    output: shown(ContextView),
    annotations: READS,
    run: async ({ conversationId, ...request }, caller) => {
      const window = await answerContext.execute(conversationId, caller, request);
      const lines = window.items.map(({ message, why }) => `${why}: ${lineOf(message)}`);
      const summary = `${window.items.length} message(s) of conversation ${conversationId}, ${window.tokens} tokens, oldest first.${leftOut(window.degraded)}`;
      return { structured: { notice: NOTICE, ...window }, text: textOf(summary, lines) };
    },
  });
