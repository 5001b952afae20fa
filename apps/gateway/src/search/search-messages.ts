import type { SearchHit, SearchPart, SearchQuery } from '#lib/contracts/http';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import type { Message } from '#lib/conversations/message';
import type { MessageStorePort } from '#lib/conversations/message-store.port';
import { type Semaphore, SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { beginningOf } from './highlight.js';
import type { LexicalIndexPort, SearchFilter } from './lexical-index.port.js';
import type { NearestMessages } from './nearest-messages.js';
import { fuseByReciprocalRank } from './reciprocal-rank-fusion.js';
import type { RerankerPort } from './reranker.port.js';
import type { TextWorkPort } from './text-work.port.js';

/** Candidates per stage: twice the largest page, to leave room for hits that one stage missed and for hits dropped by the visibility check. */
const CANDIDATES = 100;
/** Messages that the reranker reads, and their UTF-16 units in all: both bound its cost. Candidates beyond them keep their order behind the reranked ones. */
const RERANKED = 50;
const MAX_RERANKED = 200_000;
/** Limit of one query stage (docs/concepts/resilience.md, "Numbers"). */
const LEXICAL_DEADLINE_MS = 2_000;

/** The stages of a search. A search works without any one of them, not without all. */
export interface SearchStages {
  readonly lexical: LexicalIndexPort;
  readonly nearest: NearestMessages;
  readonly reranker: RerankerPort;
  readonly text: TextWorkPort;
}

/** A hit before its message has become a view for the reader. */
export type Hit = Omit<SearchHit, 'message'> & { readonly message: Message };

/** Hits, best first, and the stages that were left out. */
export interface SearchOutcome {
  readonly items: readonly Hit[];
  readonly degraded: readonly SearchPart[];
}

/** Fused candidates, best first, before excerpts and views are made. */
export interface Found {
  readonly messages: readonly Message[];
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
 * so neither stage can show a message that the reader may not see or that is deleted.
 */
export class SearchMessages {
  constructor(
    private readonly conversations: ConversationStorePort,
    private readonly messages: MessageStorePort,
    private readonly stages: SearchStages,
    private readonly semaphore: Semaphore,
    private readonly logger: Logger,
  ) {}

  /**
   * @throws ProblemError `not-found` when `query.conversationId` is not one of the reader's, `overloaded` when too many searches wait;
   * DependencyError when Postgres cannot say what the reader may see.
   */
  execute(query: SearchQuery, reader: UserId): Promise<SearchOutcome> {
    return this.inPlace(query, async () => {
      const { candidates, degraded } = await this.search(query, reader);
      const excerpts = await this.excerpts(query.q, candidates, reader);
      return { items: candidates.map((candidate, i) => present(candidate, excerpts[i] ?? '', query)), degraded };
    });
  }

  /** Only the messages, for a caller that shows no excerpts. Throws what `execute` throws. */
  find(query: SearchQuery, reader: UserId): Promise<Found> {
    return this.inPlace(query, async () => {
      const { candidates, degraded } = await this.search(query, reader);
      return { messages: candidates.map(({ message }) => message), degraded };
    });
  }

  /** Messages that share words with `q`, best first, among those that may not be indexed yet; none when the time for reading them is over. */
  async among(messages: readonly Message[], q: string, reader: UserId): Promise<readonly Message[]> {
    const read = withinUnits(messages, MAX_RERANKED);
    const texts = read.map(({ content }) => content);
    const scores = await this.orElse('overlap', [], () => this.stages.text.overlap(reader, q, texts));
    return read
      .map((message, i) => ({ message, score: scores[i] ?? 0 }))
      .filter(({ score }) => score > 0)
      .sort((one, other) => other.score - one.score)
      .map(({ message }) => message);
  }

  private async inPlace<T>({ mode }: SearchQuery, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      return await this.semaphore.run(work);
    } catch (error) {
      if (!(error instanceof SemaphoreFull)) throw error;
      throw new ProblemError('overloaded', 'Too many searches are waiting.', { retryAfterSeconds: 1, cause: error });
    } finally {
      metrics.searchDuration.observe({ mode }, (performance.now() - startedAt) / 1_000);
    }
  }

  private async search(query: SearchQuery, reader: UserId): Promise<{ candidates: readonly Candidate[]; degraded: readonly SearchPart[] }> {
    const { ids: visible, isCut } = await this.visibleTo(reader, query.conversationId);
    if (visible.length === 0) return { candidates: [], degraded: [] };
    const degraded = new Set<SearchPart>(isCut ? ['visibility'] : []);
    const { dense, sparse } = await this.rank(query, visible, degraded);
    if (sparse !== undefined && !this.stages.lexical.isComplete) degraded.add('sparse');
    const fused = await this.load(dense, sparse, reader, query);
    const ordered = query.rerank ? await this.rerank(query.q, fused, reader, degraded) : fused;
    return { candidates: ordered.slice(0, query.limit), degraded: [...degraded] };
  }

  private async visibleTo(
    reader: UserId,
    conversationId: ConversationId | undefined,
  ): Promise<{ readonly ids: readonly ConversationId[]; readonly isCut: boolean }> {
    if (conversationId === undefined) return this.conversations.visibleTo(reader);
    const conversation = await this.conversations.find(conversationId, reader);
    if (conversation === undefined) throw new ProblemError('not-found', 'There is no such conversation.');
    return { ids: [conversation.id], isCut: false };
  }

  private async rank(query: SearchQuery, visible: readonly ConversationId[], degraded: Set<SearchPart>) {
    const { q, mode } = query;
    const filter = filterOf(query);
    const meaning = () => this.stages.nearest.find(q, visible, CANDIDATES, filter);
    const words = () => withDeadline(LEXICAL_DEADLINE_MS, () => this.stages.lexical.find(q, visible, CANDIDATES, filter));

    // No fallback: without Postgres there is no search by words.
    if (mode === 'sparse') return { dense: undefined, sparse: await words() };
    if (mode === 'dense') {
      const dense = await this.orWithout('dense', meaning, degraded);
      // The dense stage is out: fall back to words and name it in `degraded`.
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

  /** Runs a stage; when it fails, the search goes on without it and names it in `degraded` (law 5). */
  private async orWithout<T>(
    part: keyof typeof stageDependency,
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
      // An unexpected error must not fail the search; it is logged so that an operator sees it.
      if (!isPlanned(error)) this.logger.error({ part, err: error }, 'search stage failed');
      onError?.(error);
      return undefined;
    }
  }

  /** Fuses the hits of both stages; drops messages that are deleted or that the reader may not see any more. */
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

  private async rerank(
    q: string,
    candidates: readonly Candidate[],
    reader: UserId,
    degraded: Set<SearchPart>,
  ): Promise<readonly Candidate[]> {
    if (candidates.length === 0) return candidates;
    const wanted = candidates.slice(0, RERANKED);
    const texts = withinUnits(
      wanted.map(({ message }) => message),
      MAX_RERANKED,
    ).map(({ content }) => content);
    const read = wanted.slice(0, texts.length);
    const scores = await this.orWithout('rerank', () => this.stages.reranker.rerank(q, texts, reader), degraded);
    if (scores === undefined) return candidates;
    if (read.length < wanted.length) degraded.add('rerank');
    const reranked = read
      .map((candidate, index) => ({ candidate, score: scores[index] ?? 0 }))
      .sort((one, other) => other.score - one.score)
      .map(({ candidate, score }, index) => ({
        ...candidate,
        score,
        ranks: { ...candidate.ranks, rerank: index + 1 },
        explain: { ...candidate.explain, rerankScore: score },
      }));
    // The list is ordered by `score`: candidates that were not reranked score below all that were.
    const lowest = reranked.at(-1)?.score ?? 0;
    return [...reranked, ...wanted.slice(read.length).map((candidate) => ({ ...candidate, score: Math.min(candidate.score, lowest) }))];
  }

  /** An excerpt per candidate; the beginning of the text when there is no time to look for words. */
  private async excerpts(q: string, candidates: readonly Candidate[], reader: UserId): Promise<string[]> {
    const texts = candidates.map(({ message }) => message.content);
    return (await this.orElse('excerpts', undefined, () => this.stages.text.excerpts(reader, q, texts))) ?? texts.map(beginningOf);
  }

  private async orElse<T, Otherwise>(operation: string, otherwise: Otherwise, work: () => Promise<T>): Promise<T | Otherwise> {
    try {
      return await work();
    } catch (error) {
      metrics.fallback.inc({ dependency: 'text', operation });
      if (!isPlanned(error)) this.logger.error({ operation, err: error }, 'text work failed');
      return otherwise;
    }
  }
}

/** The first messages whose texts have at most `units` UTF-16 units in all; at least one. */
const withinUnits = (messages: readonly Message[], units: number): readonly Message[] => {
  let left = units;
  const beyond = messages.findIndex(({ content }, index) => (left -= content.length) < 0 && index > 0);
  return beyond < 0 ? messages : messages.slice(0, beyond);
};

const stageDependency = { dense: 'chroma', sparse: 'postgres', rerank: 'embedder' } as const;

const isPlanned = (error: unknown): boolean =>
  error instanceof DependencyError || error instanceof DeadlineExceeded || error instanceof SemaphoreFull;

const filterOf = ({ senderId, from, to }: SearchQuery): SearchFilter => ({
  senderId,
  fromMs: from === undefined ? undefined : Date.parse(from),
  toMs: to === undefined ? undefined : Date.parse(to),
});

const placesOf = (ranked: Ranked | undefined): Map<MessageId, { place: number; score: number }> =>
  new Map((ranked ?? []).map(({ messageId, score }, index) => [messageId, { place: index + 1, score }]));

const present = ({ message, score, ranks, explain }: Candidate, highlight: string, query: SearchQuery): Hit => ({
  message,
  score,
  ranks,
  highlight,
  ...(query.explain ? { explain } : {}),
});
