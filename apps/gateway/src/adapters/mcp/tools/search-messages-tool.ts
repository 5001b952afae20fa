import { z } from 'zod';
import { SearchQuery, SearchResults } from '#lib/contracts/http';
import type { AnswerSearch } from '../../../search/answer-search.js';
import { type AgentTool, agentTool, NOTICE, READS, shown } from './agent-tool.js';
import { leftOut, lineOf, quoted, textOf } from './message-text.js';

/** Characters of a hit in the text; the structured result has the whole message. */
const MAX_HIT = 500;

export const searchMessagesTool = (answerSearch: AnswerSearch): AgentTool =>
  agentTool({
    name: 'search_messages',
    title: 'Search messages',
    description:
      'Searches all conversations and documents that you may read, by words and by meaning, best hit first, 50 at most: to see others, narrow it with conversationId, senderId, from and to. Use it to find who said what and where; then use get_context or read_messages with the conversationId of a hit to read around it.',
    route: 'GET /v1/search',
    // In a query string flags are words; here they are booleans. Scores are of no use to a model.
    input: SearchQuery.omit({ explain: true, rerank: true }).extend({
      rerank: z.boolean().default(false).meta({ description: 'Read the best 50 hits together with the query and order them anew' }),
    }),
    output: shown(SearchResults),
    annotations: READS,
    run: async (query, caller) => {
      const results = await answerSearch.execute({ ...query, explain: false }, caller);
      const lines = results.items.map(
        ({ kind, message, document }, i) =>
          `${i + 1}. conversation ${message.conversationId}, ${document === undefined ? `message ${message.id}` : `${kind} ${document.id} ${quoted(document.title)}`}, ${lineOf(message, MAX_HIT)}`,
      );
      const summary = `${results.items.length} hit(s), best first.${leftOut(results.degraded)}`;
      return { structured: { notice: NOTICE, ...results }, text: textOf(summary, lines) };
    },
  });
