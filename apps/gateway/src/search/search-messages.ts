import type { SearchHit, SearchPart, SearchQuery } from '#lib/contracts/http';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import type { Message } from '#lib/conversations/message';
import type { MessageStorePort } from '#lib/conversations/message-store.port';
import { type Bulkhead, BulkheadFull } from '#lib/resilience/bulkhead';
import { withDeadline } from '#lib/resilience/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/errors';
import type { Logger } from '#lib/runtime/logger';
import { metrics } from '#lib/runtime/metrics';
import { highlight } from './highlight.js';
import type { LexicalIndexPort, SearchFilter } from './lexical-index.port.js';
import type { NearestMessages } from './nearest-messages.js';
import { fuseByReciprocalRank } from './reciprocal-rank-fusion.js';
import type { RerankerPort } from './reranker.port.js';

/** Candidates per stage: twice the largest page, so that the fused list has room for what one stage missed and for what is dropped afterwards. */
const CANDIDATES = 100;
/** Messages that the reranker reads; its cost grows with each. */
const RERANKED = 50;
/** resilience.md, "search: query 2 s". */
const LEXICAL_DEADLINE_MS = 2_000;

/** The stages of a search, each of which it can do without (but not without all of them). */
export interface SearchStages {
  readonly lexical: LexicalIndexPort;
  readonly nearest: NearestMessages;
  readonly reranker: RerankerPort;
}

/** A hit before its message is dressed up for the reader. */
export type Found = Omit<SearchHit, 'message'> & { readonly message: Message };

/** Hits, best first, and the stages that were left out. */
export interface SearchOutcome {
  readonly items: readonly Found[];
  readonly degraded: readonly SearchPart[];
}

interface Candidate {
  readonly message: Message;
  readonly score: number;
  readonly ranks: SearchHit['ranks'];
  readonly explain: NonNullable<SearchHit['explain']>;
}

type Ranked = readonly { readonly messageId: MessageId; readonly score: number }[];

/**
 * Hybrid search (R108): words in Postgres in parallel with meaning in the vector store, fused by reciprocal rank, optionally reranked.
 * What the reader may see is asked first, goes into both stages as their filter, and is checked again when the messages are loaded,
 * so neither stage can show a message of somebody else or one that is deleted.
 */
export class SearchMessages {
  constructor(
    private readonly conversations: ConversationStorePort,
    private readonly messages: MessageStorePort,
    private readonly stages: SearchStages,
    private readonly places: Bulkhead,
    private readonly logger: Logger,
  ) {}

  /**
   * @throws ProblemError `not-found` when `query.conversationId` is not one of the reader's, `overloaded` when too many searches wait;
   * DependencyError when Postgres cannot say what the reader may see.
   */
  async execute(query: SearchQuery, reader: UserId): Promise<SearchOutcome> {
    const startedAt = performance.now();
    try {
      return await this.places.run(() => this.search(query, reader));
    } catch (error) {
      if (!(error instanceof BulkheadFull)) throw error;
      throw new ProblemError('overloaded', 'Too many searches are waiting.', { retryAfterSeconds: 1, cause: error });
    } finally {
      metrics.searchDuration.observe({ mode: query.mode }, (performance.now() - startedAt) / 1_000);
    }
  }

  private async search(query: SearchQuery, reader: UserId): Promise<SearchOutcome> {
    const visible = await this.visibleTo(reader, query.conversationId);
    if (visible.length === 0) return { items: [], degraded: [] };
    const degraded = new Set<SearchPart>();
    const { dense, sparse } = await this.rank(query, visible, degraded);
    if (sparse !== undefined && !this.stages.lexical.isComplete) degraded.add('sparse');
    const fused = await this.load(dense, sparse, reader, query);
    const ordered = query.rerank ? await this.rerank(query.q, fused, degraded) : fused;
    return { items: ordered.slice(0, query.limit).map((candidate) => present(candidate, query)), degraded: [...degraded] };
  }

  private async visibleTo(reader: UserId, conversationId: ConversationId | undefined): Promise<readonly ConversationId[]> {
    if (conversationId === undefined) return this.conversations.visibleTo(reader);
    const conversation = await this.conversations.find(conversationId, reader);
    if (conversation === undefined) throw new ProblemError('not-found', 'There is no such conversation.');
    return [conversation.id];
  }

  private async rank(query: SearchQuery, visible: readonly ConversationId[], degraded: Set<SearchPart>) {
    const { q, mode } = query;
    const filter = filterOf(query);
    const meaning = () => this.stages.nearest.find(q, visible, CANDIDATES, filter);
    const words = () => withDeadline(LEXICAL_DEADLINE_MS, () => this.stages.lexical.find(q, visible, CANDIDATES, filter));

    // Nothing to fall back to: a search by words in Postgres that fails is a failed search.
    if (mode === 'sparse') return { dense: undefined, sparse: await words() };
    if (mode === 'dense') {
      const dense = await this.orWithout('dense', meaning, degraded);
      // Asked for meaning and cannot: words are the honest second best, and `degraded` says so.
      return dense === undefined ? { dense, sparse: await words() } : { dense, sparse: undefined };
    }
    const failure: { sparse?: unknown } = {};
    const [dense, sparse] = await Promise.all([
      this.orWithout('dense', meaning, degraded),
      this.orWithout('sparse', words, degraded, (error) => {
        failure.sparse = error;
      }),
    ]);
    if (dense === undefined && sparse === undefined) throw failure.sparse;
    return { dense, sparse };
  }

  /** Runs a stage; when it fails the search goes on without it (law 5) and says so. */
  private async orWithout<T>(
    part: SearchPart,
    stage: () => Promise<T>,
    degraded: Set<SearchPart>,
    onError?: (error: unknown) => void,
  ): Promise<T | undefined> {
    try {
      return await stage();
    } catch (error) {
      degraded.add(part);
      const { dependency, operation } = error instanceof DependencyError ? error : { dependency: stageDependency[part], operation: part };
      metrics.fallback.inc({ dependency, operation });
      // A failure that nobody planned for must not take the search down, but somebody has to see it.
      if (!isPlanned(error)) this.logger.error({ part, err: error }, 'search stage failed');
      onError?.(error);
      return undefined;
    }
  }

  /** The fused order of what both stages found, without what the reader may not see (any more) and what is deleted. */
  private async load(dense: Ranked | undefined, sparse: Ranked | undefined, reader: UserId, query: SearchQuery): Promise<Candidate[]> {
    const denseByMessage = placesOf(dense);
    const sparseByMessage = placesOf(sparse);
    const fused = fuseByReciprocalRank([[...denseByMessage.keys()], [...sparseByMessage.keys()]]);
    if (fused.length === 0) return [];
    const window = fused.slice(0, Math.max(2 * query.limit, RERANKED));
    const messages = new Map(
      (
        await this.messages.findMany(
          window.map(({ id }) => id),
          reader,
        )
      ).map((message) => [message.id, message]),
    );
    return window
      .flatMap(({ id, score }) => {
        const message = messages.get(id);
        return message === undefined ? [] : [{ message, score }];
      })
      .map(({ message, score }, index) => {
        const byMeaning = denseByMessage.get(message.id);
        const byWords = sparseByMessage.get(message.id);
        return {
          message,
          score,
          ranks: { dense: byMeaning?.place, sparse: byWords?.place, rrf: index + 1 },
          explain: { denseScore: byMeaning?.score, sparseScore: byWords?.score, rrfScore: score },
        };
      });
  }

  private async rerank(q: string, candidates: readonly Candidate[], degraded: Set<SearchPart>): Promise<readonly Candidate[]> {
    if (candidates.length === 0) return candidates;
    const read = candidates.slice(0, RERANKED);
    const scores = await this.orWithout(
      'rerank',
      () =>
        this.stages.reranker.rerank(
          q,
          read.map(({ message }) => message.content),
        ),
      degraded,
    );
    if (scores === undefined) return candidates;
    return read
      .map((candidate, index) => ({ candidate, score: scores[index] ?? 0 }))
      .sort((one, other) => other.score - one.score)
      .map(({ candidate, score }, index) => ({
        ...candidate,
        score,
        ranks: { ...candidate.ranks, rerank: index + 1 },
        explain: { ...candidate.explain, rerankScore: score },
      }));
  }
}

const stageDependency = { dense: 'chroma', sparse: 'postgres', rerank: 'embedder' } as const;

const isPlanned = (error: unknown): boolean =>
  error instanceof DependencyError || error instanceof DeadlineExceeded || error instanceof BulkheadFull;

const filterOf = ({ senderId, from, to }: SearchQuery): SearchFilter => ({
  senderId,
  fromMs: from === undefined ? undefined : Date.parse(from),
  toMs: to === undefined ? undefined : Date.parse(to),
});

const placesOf = (ranked: Ranked | undefined): Map<MessageId, { place: number; score: number }> =>
  new Map((ranked ?? []).map(({ messageId, score }, index) => [messageId, { place: index + 1, score }]));

const present = ({ message, score, ranks, explain }: Candidate, query: SearchQuery): Found => ({
  message,
  score,
  ranks,
  highlight: highlight(message.content, query.q),
  ...(query.explain ? { explain } : {}),
});
