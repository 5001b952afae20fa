import { Postpone } from '#lib/bus/outcome';
import type { IndexingEvent, MessageEmbedded } from '#lib/contracts/events';
import type { MessageId } from '#lib/contracts/ids';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { Chunk } from '#lib/vectors/chunking/chunk';
import { type ChunkSource, chunkMessages } from '#lib/vectors/chunking/chunk-message';
import { ChunkLedgerPort, type LedgerEntry, type LedgerUpdate } from '#lib/vectors/ledger/chunk-ledger.port';
import { EmbedderPort } from '#lib/vectors/embedder/embedder.port';
import { outOfStep } from '#lib/vectors/ledger/out-of-step';
import { type StoredChunk, VectorStorePort } from '#lib/vectors/store/vector-store.port';
import { type CurrentMessage, CurrentMessagesPort } from './current-messages.port.js';
import { messageEmbedded } from './message-embedded.js';
import { Turns } from './turns.js';
import { type VectorsOfMessage, WriteVectors } from './write-vectors.js';

/** The current state of a message that events name. */
interface Named {
  readonly message: CurrentMessage;
  readonly events: readonly IndexingEvent[];
  /** Whether its vectors must be made even if they are there. */
  readonly isDue: boolean;
  /** Whether vectors of another version may exist, or another process may be writing them now. */
  readonly mayHaveOthers: boolean;
}

/** What vector store and ledger should hold for one message. A deleted one has no chunks. */
interface Plan extends VectorsOfMessage {
  readonly entry: LedgerUpdate;
}

/** Each further round means that another process wrote an older version meanwhile; more in a row mean edits as fast as indexing. */
const MAX_ROUNDS = 4;
const RACE_PAUSE_MS = 2_000;

/**
 * Indexes the current version of each message that events name (R004, R011, R031, ADR 19). An event only names the message; its content
 * comes from Postgres, so a forged, replayed or late event has no effect on what is indexed.
 *
 *     read messages and ledger --(due)--> embed -> write vectors -> record
 *               ^        `--(nothing due)--------------------------> verify --(in step)--> done
 *               `------(the ledger has a newer version, or the store another one)---'
 */
export class IndexMessages {
  private readonly turns = new Turns();

  constructor(
    private readonly messages: CurrentMessagesPort,
    private readonly ledger: ChunkLedgerPort,
    private readonly embedder: EmbedderPort,
    private readonly vectors: VectorStorePort,
    private readonly writeVectors: WriteVectors,
    private readonly chunk: (sources: readonly ChunkSource[]) => Promise<Chunk[][]> = chunkMessages,
  ) {}

  /**
   * @returns one `message.embedded` per message whose newest version is indexed, also when an earlier delivery indexed it: a crash between
   * ledger and publish must not lose the event. Its event id depends on message and version only.
   * @throws DependencyError when a dependency is out, TextRejected when the model refuses a text, Postpone when messages change faster than
   * they can be indexed.
   */
  async handle(events: readonly IndexingEvent[]): Promise<MessageEmbedded[]> {
    const eventsOf = Map.groupBy(events, ({ data }) => data.messageId);
    // Two batches of this process may name the same message and would overwrite each other.
    return this.turns.take([...eventsOf.keys()], () => this.bringInStep(eventsOf));
  }

  /** Indexes those of these that are not indexed, unasked: parts of documents. Throws what {@link handle} throws. */
  async index(ids: readonly MessageId[]): Promise<void> {
    await this.turns.take(ids, () => this.bringInStep(new Map(ids.map((id) => [id, []]))));
  }

  private async bringInStep(eventsOf: ReadonlyMap<MessageId, readonly IndexingEvent[]>): Promise<MessageEmbedded[]> {
    const announcements: MessageEmbedded[] = [];
    let open = [...eventsOf.keys()];
    let stored: StoredChunk[] = [];
    for (let round = 1; open.length > 0; round += 1) {
      if (round > MAX_ROUNDS) throw new Postpone(RACE_PAUSE_MS, 'messages change faster than they are indexed');
      const found = this.named(await this.messages.of(open), eventsOf, round > 1);
      if (round === 1) countUnknown(eventsOf, found);
      const plans = await this.planned(found, stored);
      await this.writeVectors.execute([...plans.values()]);
      const gone = await this.withdrawGone(plans, found);
      const named = found.filter(({ message }) => !gone.has(message.messageId));
      const refused = await this.ledger.record([...plans.values()].map(({ entry }) => entry));
      stored = await this.storedOf(named);
      const wrong = new Set([
        ...refused,
        ...outOfStep(
          named.flatMap((one) => entryToVerify(one, plans)),
          stored,
        ),
      ]);
      announcements.push(...named.filter(({ message }) => !wrong.has(message.messageId)).flatMap((one) => announced(one, plans)));
      if (wrong.size > 0) metrics.vectorsRewritten.inc({ cause: 'race' }, wrong.size);
      open = [...wrong];
    }
    return announcements;
  }

  /**
   * Parts are removed when their owner is erased: the vectors of those that went meanwhile go again, and nothing is recorded. (Messages stay, as
   * tombstones.) Read after the vectors are written: an erasure removes the parts first, then the vectors that it finds.
   */
  private async withdrawGone(plans: Map<MessageId, Plan>, found: readonly Named[]): Promise<ReadonlySet<MessageId>> {
    const parts = found.flatMap(({ message: { messageId, documentId } }) =>
      documentId !== undefined && plans.has(messageId) ? messageId : [],
    );
    if (parts.length === 0) return new Set();
    const there = await this.messages.of(parts);
    const gone = parts.filter((id) => !there.has(id));
    for (const id of gone) plans.delete(id);
    await this.writeVectors.execute(
      gone.map((messageId) => ({ messageId, chunks: [], embeddings: [], mayHaveOlder: true, falseChunkIds: [] })),
    );
    return new Set(gone);
  }

  private named(
    current: ReadonlyMap<MessageId, CurrentMessage>,
    eventsOf: ReadonlyMap<MessageId, readonly IndexingEvent[]>,
    isAgain: boolean,
  ): Named[] {
    return [...current.values()].map((message) => {
      const events = eventsOf.get(message.messageId) ?? [];
      const isOrdered = isAgain || events.some(({ type }) => type === 'vectors.rebuild');
      const { version, entry } = message;
      // A message that never changed has no vectors of other versions: no query to the store for most messages.
      const mayHaveOthers = isOrdered || version > 1 || (entry !== undefined && entry.version !== version);
      return { message, events, isDue: isOrdered || this.isDue(message), mayHaveOthers };
    });
  }

  /**
   * Due again: a version that failed before (its dead letter was replayed), one indexed by another model, and one whose vectors were found
   * missing. A ledger entry that is ahead of its message came from a forged event.
   */
  private isDue({ version, content, entry }: CurrentMessage): boolean {
    if (entry?.version !== version || entry.state === 'failed') return true;
    return content === null ? entry.state !== 'removed' : entry.state !== 'indexed' || entry.model !== this.embedder.model;
  }

  /** @param stored chunks found in the store before; those of a version that the message does not have are removed. */
  private async planned(named: readonly Named[], stored: readonly StoredChunk[]): Promise<Map<MessageId, Plan>> {
    const due = await this.withChunks(named.filter(({ isDue }) => isDue));
    const texts = due.flatMap(({ chunks }) => chunks.map(({ text }) => text));
    const embeddings = await this.embedder.embed(texts);
    const plans = new Map<MessageId, Plan>();
    let taken = 0;
    for (const { message, chunks, mayHaveOthers } of due) {
      const { messageId, version } = message;
      plans.set(messageId, {
        messageId,
        chunks,
        embeddings: embeddings.slice(taken, (taken += chunks.length)),
        entry: this.entry(message, chunks.length),
        mayHaveOlder: mayHaveOthers || message.entry !== undefined,
        falseChunkIds: stored.filter((chunk) => chunk.messageId === messageId && chunk.version > version).map(({ id }) => id),
      });
    }
    return plans;
  }

  /** A deleted message has no chunks. */
  private async withChunks(due: readonly Named[]) {
    const chunks = await this.chunk(due.flatMap(({ message: { content, ...facts } }) => (content === null ? [] : [{ ...facts, content }])));
    return due.map((one) => ({ ...one, chunks: one.message.content === null ? [] : (chunks.shift() ?? []) }));
  }

  /** A text has at least one chunk; without a text there is none. */
  private entry({ messageId, version, entry: held }: CurrentMessage, chunkCount: number): LedgerUpdate {
    const state = chunkCount === 0 ? 'removed' : 'indexed';
    const insteadOf = held !== undefined && held.version > version ? held.version : undefined;
    return { messageId, version, chunkCount, model: this.embedder.model, state, insteadOf };
  }

  /**
   * Stored chunks of the messages that may have vectors of other versions. Read after the ledger entry is written: the process that wrote
   * last is then either refused by the ledger or sees here what it did.
   */
  private async storedOf(named: readonly Named[]): Promise<StoredChunk[]> {
    const ids = named.filter(({ mayHaveOthers }) => mayHaveOthers).map(({ message }) => message.messageId);
    return ids.length === 0 ? [] : this.vectors.chunksOf(ids);
  }
}

function entryToVerify({ message, mayHaveOthers }: Named, plans: ReadonlyMap<MessageId, Plan>): LedgerEntry[] {
  const entry = plans.get(message.messageId)?.entry ?? message.entry;
  return mayHaveOthers && entry !== undefined ? [entry] : [];
}

/** Announces each version of a message that was indexed now, and the version of an event that an earlier delivery indexed. */
function announced({ message, events }: Named, plans: ReadonlyMap<MessageId, Plan>): MessageEmbedded[] {
  const plan = plans.get(message.messageId);
  const entry = plan?.entry ?? message.entry;
  if (entry?.state !== 'indexed' || message.documentId !== undefined) return [];
  if (plan === undefined && !events.some(({ data }) => data.version === message.version)) return [];
  if (plan !== undefined && !events.every(({ type }) => type === 'vectors.rebuild')) measureTimeToSearchable(message);
  return [messageEmbedded(message, entry)];
}

/** Counts events of messages that do not exist: erased or forged. Waiting is useless, an event is published after the commit of its message. */
function countUnknown(eventsOf: ReadonlyMap<MessageId, readonly IndexingEvent[]>, named: readonly Named[]): void {
  const known = new Set(named.map(({ message }) => message.messageId));
  for (const [messageId, events] of eventsOf) {
    if (!known.has(messageId)) for (const { type } of events) metrics.indexingIgnored.inc({ type });
  }
}

/** Time from the commit of this version to its vectors. */
function measureTimeToSearchable({ changedAt }: CurrentMessage): void {
  // The clock of another machine may run ahead: no negative times.
  metrics.timeToSearchable.observe(Math.max(0, Date.now() - changedAt.getTime()) / 1_000);
}
