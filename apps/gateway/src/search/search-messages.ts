import type { SearchHit, SearchPart, SearchQuery } from '#lib/contracts/http';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import type { FoundPart } from '#lib/conversations/documents/document';
import type { DocumentStorePort } from '#lib/conversations/documents/document-store.port';
import type { Message } from '#lib/conversations/message';
import type { MessageStorePort } from '#lib/conversations/message-store.port';
import { type Semaphore, SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded, DependencyError } from '#lib/resilience/call/errors';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { beginningOf } from './highlight.js';
import type { FoundKind, LexicalIndexPort, SearchFilter } from './lexical-index.port.js';
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
  /** For a document: its best passage, in the shape of a message. */
  readonly message: Message;
  readonly document?: SearchHit['document'];
  readonly score: number;
  readonly ranks: SearchHit['ranks'];
  readonly explain: NonNullable<SearchHit['explain']>;
}

/** What a stage found, best first: a message, or a part of a document with the chunk that matched if the stage knows it. */
type Ranked = readonly { readonly messageId: MessageId; readonly kind: FoundKind; readonly chunk?: number; readonly score: number }[];

/** Where a stage has a message or document. */
interface Place {
  readonly place: number;
  readonly score: number;
  /** The part of the document, and its chunk, that has this place. */
  readonly part?: { readonly id: string; readonly chunk: number | undefined };
}

/** Score of the lexical stage from which on all words of the query are there. */
const EVERY_WORD = 1;

/**
 * Hybrid search (R108): words in Postgres in parallel with meaning in the vector store, fused by reciprocal rank, optionally reranked.
 * What the reader may see is asked first, goes into both stages as their filter, and is checked again when the messages are loaded,
 * so neither stage can show a message that the reader may not see or that is deleted.
 *
 * Messages and documents are asked for apart, as many of each, and merged by the score of the stage: the thousands of chunks of one document do not
 * crowd out messages. A document is one hit (ADR 35).
 */
export class SearchMessages {
  constructor(
    private readonly conversations: ConversationStorePort,
    private readonly messages: MessageStorePort,
    private readonly documents: DocumentStorePort,
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

  /** Only messages and no documents, for a caller that shows no excerpts. Throws what `execute` throws. */
  find(query: SearchQuery, reader: UserId): Promise<Found> {
    return this.inPlace(query, async () => {
      const { candidates, degraded } = await this.search(query, reader, 'message');
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

  /** @param only what is searched for; undefined: all kinds. */
  private async search(
    query: SearchQuery,
    reader: UserId,
    only?: FoundKind,
  ): Promise<{ candidates: readonly Candidate[]; degraded: readonly SearchPart[] }> {
    const { ids: visible, isCut } = await this.visibleTo(reader, query.conversationId);
    if (visible.length === 0) return { candidates: [], degraded: [] };
    const degraded = new Set<SearchPart>(isCut ? ['visibility'] : []);
    // Without documents nothing has to be told apart: the stages are asked as if there were none.
    const kinds = !(await this.documents.areIn(visible)) ? undefined : only === undefined ? BOTH : [only];
    const { dense, sparse } = await this.rank(query, visible, kinds, degraded);
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

  private async rank(
    query: SearchQuery,
    visible: readonly ConversationId[],
    kinds: readonly FoundKind[] | undefined,
    degraded: Set<SearchPart>,
  ) {
    const { q, mode } = query;
    const filter = filterOf(query);
    const meaning = () => this.stages.nearest.find(q, visible, CANDIDATES, filter, kinds);
    const words = () => withDeadline(LEXICAL_DEADLINE_MS, () => this.byWords(q, visible, filter, kinds ?? ['message']));

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

  private async byWords(q: string, visible: readonly ConversationId[], filter: SearchFilter, kinds: readonly FoundKind[]): Promise<Ranked> {
    const { lexical } = this.stages;
    const found = await Promise.all(
      kinds.map(async (kind) => {
        const hits = await (kind === 'message'
          ? lexical.find(q, visible, CANDIDATES, filter)
          : lexical.findParts(q, visible, CANDIDATES, filter));
        return hits.map((hit) => ({ ...hit, kind }));
      }),
    );
    return found.length === 1 ? (found[0] ?? []) : found.flat().sort((one, other) => other.score - one.score);
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

  /** Fuses the hits of both stages; drops what is deleted or what the reader may not see any more. */
  private async load(dense: Ranked | undefined, sparse: Ranked | undefined, reader: UserId, query: SearchQuery): Promise<Candidate[]> {
    const parts = [...(dense ?? []), ...(sparse ?? [])].filter(({ kind }) => kind === 'document').map(({ messageId }) => messageId);
    const documentOf = await this.documents.documentsOf([...new Set(parts)]);
    const denseById = placesOf(dense, documentOf);
    const sparseById = placesOf(sparse, documentOf);
    const fused = fuseByReciprocalRank([[...denseById.keys()], [...sparseById.keys()]]);
    if (fused.length === 0) return [];
    const window = fused.slice(0, Math.max(2 * query.limit, RERANKED));
    const partOf = (id: string) => bestPart(denseById.get(id), sparseById.get(id));
    const [messages, documents] = await Promise.all([
      this.messages.findMany(
        window.flatMap(({ id }) => (partOf(id) === undefined ? [id] : [])),
        reader,
      ),
      this.passages(
        query.q,
        window.flatMap(({ id }) => partOf(id) ?? []),
        reader,
      ),
    ]);
    const found = new Map<string, Pick<Candidate, 'message' | 'document'>>(documents);
    for (const message of messages) found.set(message.id, { message });
    return window
      .flatMap(({ id, score }) => {
        const candidate = found.get(id);
        return candidate === undefined ? [] : [{ ...candidate, score }];
      })
      .map((candidate, index) => {
        const byMeaning = denseById.get(candidate.message.id);
        const byWords = sparseById.get(candidate.message.id);
        return {
          ...candidate,
          ranks: { dense: byMeaning?.place, sparse: byWords?.place, rrf: index + 1 },
          explain: { denseScore: byMeaning?.score, sparseScore: byWords?.score, rrfScore: candidate.score },
        };
      });
  }

  /** The best passage of each of these documents that the reader may see, by the document's id. */
  private async passages(q: string, wanted: readonly NonNullable<Place['part']>[], reader: UserId) {
    if (wanted.length === 0) return [];
    const parts = await this.documents.findParts(
      wanted.map(({ id }) => id),
      reader,
    );
    const texts = parts.map(({ content }) => content);
    const chunkOf = new Map(wanted.map(({ id, chunk }) => [id, chunk]));
    const chunks = parts.map(({ id }) => chunkOf.get(id));
    const passages = await this.orElse('passages', undefined, () => this.stages.text.passages(reader, q, texts, chunks));
    return parts.map((part, i) => [part.documentId, foundIn(part, passages?.[i] ?? part.content.slice(0, MAX_PASSAGE))] as const);
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

const BOTH: readonly FoundKind[] = ['message', 'document'];

/** UTF-16 units of a passage when there is no time to look for one: as much as a chunk. */
const MAX_PASSAGE = 1_000;

/** The places of messages and documents by their ids; a document has the place of its best part. */
const placesOf = (ranked: Ranked | undefined, documentOf: ReadonlyMap<string, string>): Map<string, Place> => {
  const places = new Map<string, Place>();
  for (const { messageId, kind, chunk, score } of ranked ?? []) {
    const id = kind === 'message' ? messageId : documentOf.get(messageId);
    if (id === undefined || places.has(id)) continue;
    const part = kind === 'message' ? {} : { part: { id: messageId, chunk } };
    places.set(id, { place: places.size + 1, score, ...part });
  }
  return places;
};

/** The part whose passage is shown: the one with all words of the query, else the one that is nearest by meaning, else the one with some of the words. */
const bestPart = (dense: Place | undefined, sparse: Place | undefined): Place['part'] =>
  (sparse !== undefined && sparse.score >= EVERY_WORD && sparse.part?.id !== dense?.part?.id ? sparse.part : undefined) ??
  dense?.part ??
  sparse?.part;

const foundIn = (part: FoundPart, passage: string): Pick<Candidate, 'message' | 'document'> => {
  const { documentId, conversationId, ownerId, createdAt, title, place } = part;
  const message = { id: documentId, conversationId, seq: 0, senderId: ownerId, content: passage, version: 1, createdAt };
  return { message, document: { id: documentId, title, part: place } };
};

const present = ({ message, document, score, ranks, explain }: Candidate, highlight: string, query: SearchQuery): Hit => ({
  ...(document === undefined ? { kind: 'message' } : { kind: 'document', document }),
  message,
  score,
  ranks,
  highlight,
  ...(query.explain ? { explain } : {}),
});
