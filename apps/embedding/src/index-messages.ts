import { Injectable } from '@nestjs/common';
import type { IndexingEvent, MessageEmbedded } from '#lib/contracts/events';
import type { MessageId } from '#lib/contracts/ids';
import { metrics } from '#lib/runtime/metrics';
import type { Chunk } from '#lib/vectors/chunk';
import { chunkMessage } from '#lib/vectors/chunk-message';
import { ChunkLedgerPort, type LedgerEntry } from '#lib/vectors/chunk-ledger.port';
import { EmbedderPort } from '#lib/vectors/embedder.port';
import { outOfStep } from '#lib/vectors/out-of-step';
import { VectorStorePort } from '#lib/vectors/vector-store.port';
import { VocabularyPort } from '#lib/vectors/vocabulary.port';
import { messageEmbedded } from './message-embedded.js';
import { Turns } from './turns.js';

/** What the vector store and the ledger should hold for one message after its event. A deletion has no chunks. */
interface Plan {
  readonly event: IndexingEvent;
  readonly chunks: readonly Chunk[];
  readonly embeddings: readonly Float32Array[];
  readonly entry: LedgerEntry;
  /** Whether chunks of another version may be there. */
  readonly mayHaveOlder: boolean;
}

/**
 * Brings the vectors of these messages in step with their newest version (R004, R011, R031). Idempotent, and right in any order of delivery:
 * the ledger says what is already there, and an older version never overwrites a newer one.
 */
@Injectable()
export class IndexMessages {
  private readonly turns = new Turns();

  constructor(
    private readonly ledger: ChunkLedgerPort,
    private readonly embedder: EmbedderPort,
    private readonly vectors: VectorStorePort,
    private readonly vocabulary: VocabularyPort,
  ) {}

  /**
   * @returns one `message.embedded` per message that can now be found by its newest version, also when an earlier delivery had indexed it:
   * a crash between the ledger and the publish must not swallow the news. Its event id depends on message and version only.
   * @throws DependencyError when a dependency is out, TextRejected when the model refuses a text; then nothing is recorded.
   */
  async handle(events: readonly IndexingEvent[]): Promise<MessageEmbedded[]> {
    const newest = newestPerMessage(events);
    // Two batches of this process may hold two versions of one message: both would find the ledger empty and write in any order.
    return this.turns.take(idsOf(newest), () => this.bringInStep(newest));
  }

  private async bringInStep(events: readonly IndexingEvent[]): Promise<MessageEmbedded[]> {
    const known = await this.ledger.entriesOf(idsOf(events));
    const due = events.filter((event) => this.isDue(event, known.get(event.data.messageId)));
    const plans = await this.planned(due, known);
    await this.store(plans);
    const refused = new Set(await this.ledger.record(plans.map(({ entry }) => entry)));
    await this.repairRaces(plans, refused);
    const indexed = plans.filter(({ entry }) => entry.state === 'indexed' && !refused.has(entry.messageId));
    for (const { event } of indexed) measureTimeToSearchable(event);
    return [...indexed.map(({ event, entry }) => messageEmbedded(event, entry)), ...announcedAgain(events, due, known)];
  }

  /**
   * A version that failed before is due again: somebody replayed its dead letter. So is one that another model has indexed, and one whose
   * vectors somebody found missing.
   */
  private isDue({ type, data }: IndexingEvent, entry: LedgerEntry | undefined): boolean {
    if (entry === undefined || data.version > entry.version) return true;
    if (data.version < entry.version) return false;
    if (type === 'vectors.rebuild') return true;
    return entry.state === 'failed' || (entry.state === 'indexed' && entry.model !== this.embedder.model);
  }

  private async planned(due: readonly IndexingEvent[], known: ReadonlyMap<MessageId, LedgerEntry>): Promise<Plan[]> {
    const chunked = due.map((event) => ({ event, chunks: chunksOf(event) }));
    const texts = chunked.flatMap(({ chunks }) => chunks.map(({ text }) => text));
    const embeddings = await this.embedder.embed(texts);
    await this.vocabulary.learn(texts);
    let taken = 0;
    return chunked.map(({ event, chunks }) => ({
      event,
      chunks,
      embeddings: embeddings.slice(taken, (taken += chunks.length)),
      entry: this.entry(event, chunks.length),
      mayHaveOlder: event.type === 'vectors.rebuild' || event.data.version > 1 || known.has(event.data.messageId),
    }));
  }

  /** A text has at least one chunk; without a text there is none. */
  private entry({ data }: IndexingEvent, chunkCount: number): LedgerEntry {
    const state = chunkCount === 0 ? 'removed' : 'indexed';
    return { messageId: data.messageId, version: data.version, chunkCount, model: this.embedder.model, state };
  }

  private async store(plans: readonly Plan[]): Promise<void> {
    if (plans.length === 0) return;
    await this.vectors.replace(
      plans.flatMap(({ chunks }) => chunks),
      plans.flatMap(({ embeddings }) => embeddings),
      {
        removed: plans.filter(({ entry }) => entry.state === 'removed').map(({ entry }) => entry.messageId),
        mayHaveOlder: plans.filter(({ mayHaveOlder }) => mayHaveOlder).map(({ entry }) => entry.messageId),
      },
    );
  }

  /**
   * Another process may have handled another version at the same time; the ledger kept the newer one, the vector store what was written last.
   * The newer one writes again when it finds the older one's chunks. The older one, whose entry was refused, can only take back what it wrote
   * after a deletion: it does not know a newer text. That one case is left to the comparison of ledger and store.
   */
  private async repairRaces(plans: readonly Plan[], refused: ReadonlySet<MessageId>): Promise<void> {
    const standing = plans.filter(({ entry, mayHaveOlder }) => mayHaveOlder && !refused.has(entry.messageId));
    if (standing.length > 0) {
      const stored = await this.vectors.chunksOf(standing.map(({ entry }) => entry.messageId));
      const wrong = new Set(
        outOfStep(
          standing.map(({ entry }) => entry),
          stored,
        ),
      );
      await this.store(standing.filter(({ entry }) => wrong.has(entry.messageId)));
    }
    if (refused.size === 0) return;
    const newer = await this.ledger.entriesOf([...refused]);
    const removed = [...newer.values()].filter(({ state }) => state === 'removed').map(({ messageId }) => messageId);
    if (removed.length > 0) await this.vectors.replace([], [], { removed });
  }
}

function chunksOf({ type, data }: IndexingEvent): Chunk[] {
  if (type === 'message.deleted') return [];
  const { content } = data;
  return content === null ? [] : chunkMessage({ ...data, content });
}

const idsOf = (events: readonly IndexingEvent[]): MessageId[] => events.map((event) => event.data.messageId);

/** Of two events of one version the order to make its vectors anew is the stronger one. */
function newestPerMessage(events: readonly IndexingEvent[]): IndexingEvent[] {
  const newest = new Map<MessageId, IndexingEvent>();
  for (const event of events) {
    const other = newest.get(event.data.messageId);
    const isStronger = event.type === 'vectors.rebuild' && event.data.version === other?.data.version;
    if (other === undefined || event.data.version > other.data.version || isStronger) newest.set(event.data.messageId, event);
  }
  return [...newest.values()];
}

/** The news of messages that an earlier delivery of the same event has indexed. */
function announcedAgain(
  events: readonly IndexingEvent[],
  due: readonly IndexingEvent[],
  known: ReadonlyMap<MessageId, LedgerEntry>,
): MessageEmbedded[] {
  const isDue = new Set(due);
  return events.flatMap((event) => {
    const entry = known.get(event.data.messageId);
    const wasIndexed = entry?.state === 'indexed' && entry.version === event.data.version && !isDue.has(event);
    return wasIndexed ? [messageEmbedded(event, entry)] : [];
  });
}

/** From the commit of this version to its vectors: what a person waits for who searches for what was just written. */
function measureTimeToSearchable({ type, data }: IndexingEvent): void {
  if (type === 'vectors.rebuild') return; // nobody has just written it
  const committedAt = type === 'message.edited' ? data.editedAt : data.createdAt;
  // The clock of another machine may run ahead of ours: that is not a negative wait.
  metrics.timeToSearchable.observe(Math.max(0, Date.now() - Date.parse(committedAt)) / 1_000);
}
