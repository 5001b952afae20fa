import type { ContextRequest, SearchPart } from '#lib/contracts/http';
import type { ConversationId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { Message } from '#lib/conversations/message';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { ChunkLedgerPort } from '#lib/vectors/chunk-ledger.port';
import type { SearchMessages } from '../search/search-messages.js';
import type { TokenCounterPort } from './token-counter.port.js';

/** Messages that are looked at for what is not indexed yet: a backlog beyond this is said in `degraded`, not searched for its end. */
const LOOK_BACK = 200;
/** What a message costs beside its text: who said it, and the marks around it. OpenAI's chat format takes 3 to 4. */
const TOKENS_PER_MESSAGE = 4;

/** One message of the window, and what it is there for. */
export interface ContextItem {
  readonly message: Message;
  readonly why: 'recent' | 'semantic';
}

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
 * The newest come straight from Postgres, and so does everything that has no vectors yet: what was just said is never missing,
 * so that `minSeq` only has to be a message that there is.
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
    const recent = page.messages.filter((message) => message.seq >= firstRecent && message.deletedAt === undefined).reverse();
    const items = await this.fill(recent, found.messages, request.maxTokens);
    const degraded = new Set<SearchPart>(found.degraded);
    if (isBehind) degraded.add('dense');
    return { ...items, indexedThroughSeq, degraded: [...degraded] };
  }

  /** Up to where the index has settled. A message that it gave up on (dead letter) is settled: nobody would gain by waiting for it. */
  private async indexed(newest: readonly Message[], headSeq: number): Promise<{ indexedThroughSeq: number; isBehind: boolean }> {
    const entries = await this.ledger.entriesOf(newest.map(({ id }) => id));
    const firstOpen = newest.find(({ id, version }) => (entries.get(id)?.version ?? 0) < version);
    if (firstOpen === undefined) return { indexedThroughSeq: headSeq, isBehind: false };
    return { indexedThroughSeq: firstOpen.seq - 1, isBehind: firstOpen === newest[0] && firstOpen.seq > 1 };
  }

  private async relevant(conversationId: ConversationId, reader: UserId, { query, semanticK }: ContextRequest) {
    if (semanticK === 0) return { messages: [], degraded: [] };
    const { items, degraded } = await this.search.execute(
      { q: query, mode: 'hybrid', conversationId, limit: semanticK, rerank: false, explain: false },
      reader,
    );
    return { messages: items.map(({ message }) => message), degraded };
  }

  /**
   * Spends the budget: first on the newest, newest first, without a hole; then on what fits the query, best first, leaving out what is too long.
   */
  private async fill(recent: readonly Message[], relevant: readonly Message[], maxTokens: number) {
    const chosen = new Map<number, ContextItem>();
    let spent = 0;
    const costs = await this.costsOf([...recent, ...relevant]);
    for (const message of recent) {
      const cost = costs.get(message.id) ?? 0;
      if (spent + cost > maxTokens) break;
      spent += cost;
      chosen.set(message.seq, { message, why: 'recent' });
    }
    for (const message of relevant) {
      const cost = costs.get(message.id) ?? 0;
      if (chosen.has(message.seq) || spent + cost > maxTokens) continue;
      spent += cost;
      chosen.set(message.seq, { message, why: 'semantic' });
    }
    return { items: [...chosen.values()].sort((one, other) => one.message.seq - other.message.seq), tokens: spent };
  }

  private async costsOf(messages: readonly Message[]): Promise<Map<string, number>> {
    const counts = await this.tokens.count(messages.map(({ content }) => content));
    return new Map(messages.map(({ id }, i) => [id, (counts[i] ?? 0) + TOKENS_PER_MESSAGE]));
  }
}
