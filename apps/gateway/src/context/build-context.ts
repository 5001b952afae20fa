import type { ContextRequest, SearchPart } from '#lib/contracts/http';
import type { ConversationId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { Message } from '#lib/conversations/message';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { ChunkLedgerPort } from '#lib/vectors/ledger/chunk-ledger.port';
import type { SearchMessages } from '../search/search-messages.js';
import type { TokenCounterPort } from './token-counter.port.js';
import { type ContextItem, WindowFilling } from './window-filling.js';

/** Newest messages that are checked for missing vectors; a longer backlog is named in `degraded`, not searched. */
const LOOK_BACK = 200;
/** A context window: `items` ascending by `seq`, `tokens` in all. */
export interface ContextWindow {
  readonly items: readonly ContextItem[];
  readonly tokens: number;
  /** Every message up to this `seq` was open to the semantic part. */
  readonly indexedThroughSeq: number;
  readonly degraded: readonly SearchPart[];
}

/**
 * A ready context window for an LLM agent: the newest messages, and older ones that fit the query, within a token budget.
 * The newest come straight from Postgres, and so do messages without vectors: the newest text is never missing,
 * so `minSeq` only has to exist.
 */
export class BuildContext {
  constructor(
    private readonly messages: MessageStorePort,
    private readonly ledger: ChunkLedgerPort,
    private readonly search: SearchMessages,
    private readonly tokens: TokenCounterPort,
  ) {}

  /** @throws ProblemError `not-found`; `validation` when `minSeq` is beyond the newest message; DependencyError when Postgres cannot. */
  async execute(conversationId: ConversationId, reader: UserId, request: ContextRequest): Promise<ContextWindow> {
    const page = await this.messages.page(conversationId, reader, { limit: LOOK_BACK });
    if (page === undefined) throw new ProblemError('not-found', 'There is no such conversation.');
    const { minSeq = 0 } = request;
    if (minSeq > page.headSeq) {
      throw new ProblemError('validation', 'The conversation does not reach that far.', {
        errors: [{ pointer: '/minSeq', message: `is beyond the newest message, ${page.headSeq}` }],
      });
    }
    const [{ indexedThroughSeq, isBehind }, found] = await Promise.all([
      this.indexed(page.messages, page.headSeq),
      this.relevant(conversationId, reader, request),
    ]);
    const firstRecent = Math.min(page.headSeq - request.recent, indexedThroughSeq) + 1;
    const newestFirst = page.messages.filter(({ deletedAt }) => deletedAt === undefined).reverse();
    // At least the newest one, whatever `recent` is: without it an agent answers a different question.
    const recent = newestFirst.filter(({ seq }, index) => index === 0 || seq >= firstRecent);
    const { query, semanticK, maxTokens, recentShare } = request;
    const unindexed = recent.filter(({ seq }) => seq > indexedThroughSeq);
    const fitting = semanticK === 0 ? [] : await this.search.among(unindexed, query, reader);
    const relevant = [...found.messages, ...fitting.slice(0, semanticK)];
    const items = await new WindowFilling(this.tokens, reader, maxTokens).fill(recent, relevant, recentShare);
    const degraded = new Set<SearchPart>(found.degraded);
    if (isBehind) degraded.add('dense');
    return { ...items, indexedThroughSeq, degraded: [...degraded] };
  }

  /** The last `seq` up to which indexing is over. A message with a dead letter counts: waiting for it gains nothing. */
  private async indexed(newest: readonly Message[], headSeq: number): Promise<{ indexedThroughSeq: number; isBehind: boolean }> {
    const entries = await this.ledger.entriesOf(newest.map(({ id }) => id));
    const firstOpen = newest.find(({ id, version }) => (entries.get(id)?.version ?? 0) < version);
    if (firstOpen === undefined) return { indexedThroughSeq: headSeq, isBehind: false };
    return { indexedThroughSeq: firstOpen.seq - 1, isBehind: firstOpen === newest[0] && firstOpen.seq > 1 };
  }

  private async relevant(conversationId: ConversationId, reader: UserId, { query, semanticK }: ContextRequest) {
    if (semanticK === 0) return { messages: [], degraded: [] };
    return this.search.find({ q: query, mode: 'hybrid', conversationId, limit: semanticK, rerank: false, explain: false }, reader);
  }
}
