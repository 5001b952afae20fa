import { chunkMessage } from '#lib/vectors/chunking/chunk-message';
import { signalsOf } from '#lib/scores/signals/signals-of';
import { collectionsOf, type MessageRow, readChroma, readJournal, readPostgres, readQueues, readVectors } from './consistency-reads.js';
import { type JournalChange, type JournalEntry, mayBe } from './send-journal.js';

/** Everything that must be empty when a Parley has settled. Each line names one thing that is wrong. */
export interface ConsistencyReport {
  /** Acknowledged messages that are not stored, or as another message. */
  readonly lost: string[];
  /** Messages whose text, or deletion, is not what their sender was last told. */
  readonly changesLost: string[];
  /** Messages that are stored more than once. */
  readonly duplicated: string[];
  /**
   * Messages in the journal's conversations that no client was told of: a retry that became a second message looks like this. Not one whose
   * sender is still in doubt: it may or may not have been stored.
   */
  readonly unexpected: string[];
  /** Conversations whose `seq` is not 1, 2, 3, ... up to their head. */
  readonly gaps: string[];
  /**
   * Messages whose chunks in Chroma are not exactly those of their newest version, whose vectors are not those of their text (when there is
   * an `embed` to know them by), or of which the ledger says something else.
   */
  readonly wrongVectors: string[];
  /** Chunks in these conversations that belong to no message. */
  readonly strayVectors: string[];
  /** Messages whose newest version did not go out to the sockets of members, or of which the ledger does not say so. */
  readonly undelivered: string[];
  /** Messages whose signals are not exactly those of their newest version, and signals of no message. */
  readonly wrongSignals: string[];
  /** Outbox rows, retries and dead letters: what is still under way, or will never arrive. */
  readonly inLimbo: string[];
}

/** A report without a line in it. */
export const consistent: ConsistencyReport = {
  lost: [],
  changesLost: [],
  duplicated: [],
  unexpected: [],
  gaps: [],
  wrongVectors: [],
  strayVectors: [],
  undelivered: [],
  wrongSignals: [],
  inLimbo: [],
};

/** What became of all messages of a run, counted as rabbitmq/jepsen counts. */
export interface RunCounts {
  readonly attempted: number;
  readonly acknowledged: number;
  /** Acknowledged and stored as acknowledged. */
  readonly ok: number;
  readonly lost: number;
  /** Edits and deletions that were asked for, that were acknowledged, and messages that do not show the last acknowledged one. */
  readonly edits: number;
  readonly editsAcknowledged: number;
  readonly deletions: number;
  readonly deletionsAcknowledged: number;
  readonly changesLost: number;
  readonly duplicated: number;
  readonly unexpected: number;
  /** Acknowledged by a later try with the same key, after one whose outcome was in doubt. */
  readonly recovered: number;
  /** Never acknowledged: stored or not, nothing was promised. */
  readonly unknown: number;
  readonly gaps: number;
  /** Messages whose vectors are not exactly theirs, and chunks of no message. */
  readonly wrongVectors: number;
  readonly wrongSignals: number;
  readonly inLimbo: number;
  readonly deadLetters: number;
}

/** Counts a journal against what {@link checkConsistency} found. */
export function countRun(journal: readonly JournalEntry[], report: ConsistencyReport): RunCounts {
  const acknowledged = journal.filter((entry) => entry.acknowledged !== undefined);
  return {
    attempted: journal.length,
    acknowledged: acknowledged.length,
    ok: acknowledged.length - report.lost.length,
    lost: report.lost.length,
    ...countChanges(journal),
    changesLost: report.changesLost.length,
    duplicated: report.duplicated.length,
    unexpected: report.unexpected.length,
    recovered: acknowledged.filter(({ wasInDoubt }) => wasInDoubt === true).length,
    unknown: journal.length - acknowledged.length,
    gaps: report.gaps.length,
    wrongVectors: report.wrongVectors.length + report.strayVectors.length,
    wrongSignals: report.wrongSignals.length,
    inLimbo: report.inLimbo.length,
    deadLetters: report.inLimbo.filter((line) => line.endsWith('.dlq')).reduce((sum, line) => sum + Number.parseInt(line, 10), 0),
  };
}

function countChanges(journal: readonly JournalEntry[]) {
  const changes = journal.flatMap((entry) => entry.changes ?? []);
  const count = (isWanted: (change: JournalChange) => boolean) => changes.filter(isWanted).length;
  return {
    edits: count(({ content }) => content !== null),
    editsAcknowledged: count(({ content, acknowledgedAt }) => content !== null && acknowledgedAt !== undefined),
    deletions: count(({ content }) => content === null),
    deletionsAcknowledged: count(({ content, acknowledgedAt }) => content === null && acknowledgedAt !== undefined),
  };
}

/** Where to look. */
export interface CheckedParley {
  readonly databaseUrl: string;
  /** Empty in the embedded mode: its vectors are in the database. */
  readonly chromaUrl: string;
  /** Empty in the embedded mode: its queues are in the database. */
  readonly rabbitmqUrl: string;
}

/**
 * Compares what clients were told with what Postgres, Chroma and the queues hold, reading each of them directly, not through Parley.
 * Meaningful for a Parley at rest; ask inside `eventually` while it settles.
 */
export async function checkConsistency(
  parley: CheckedParley,
  journal: readonly JournalEntry[],
  { embed }: { readonly embed?: Embed } = {},
): Promise<ConsistencyReport> {
  const { messages, heads, outbox, straySignals } = await readPostgres(parley.databaseUrl);
  const chunks = await (parley.chromaUrl === '' ? readVectors(parley.databaseUrl) : readChroma(parley.chromaUrl, [...heads.keys()]));
  const ofOtherTexts = embed === undefined ? [] : await findOtherTexts(parley.chromaUrl, messages, embed);
  return {
    lost: findLost(journal, messages),
    changesLost: findLostChanges(journal, messages),
    duplicated: findDuplicated(messages),
    unexpected: findUnexpected(journal, messages),
    gaps: findGaps(messages, heads),
    wrongVectors: [
      ...messages.flatMap((message) => whatIsWrongWith(message, chunks.get(message.id) ?? new Map<string, number>())),
      ...ofOtherTexts,
    ],
    strayVectors: findStray(chunks, messages),
    undelivered: messages.flatMap(ifUndelivered),
    wrongSignals: [...messages.flatMap(ifWronglyScored), ...straySignals],
    inLimbo: [...outbox, ...(await (parley.rabbitmqUrl === '' ? readJournal(parley.databaseUrl) : readQueues(parley.rabbitmqUrl)))],
  };
}

function findLost(journal: readonly JournalEntry[], messages: readonly MessageRow[]): string[] {
  const stored = new Map(messages.map((message) => [message.id, message]));
  return journal.flatMap(({ acknowledged, conversationId, key }) => {
    if (acknowledged === undefined) return [];
    const message = stored.get(acknowledged.id);
    if (message === undefined) return [`${acknowledged.id} (key ${key}) was acknowledged and is not stored`];
    const isAsSaid = message.conversation_id === conversationId && Number(message.seq) === acknowledged.seq;
    return isAsSaid
      ? []
      : [`${acknowledged.id} was acknowledged as seq ${acknowledged.seq} and is stored as another message, seq ${message.seq}`];
  });
}

function findLostChanges(journal: readonly JournalEntry[], messages: readonly MessageRow[]): string[] {
  const stored = new Map(messages.map((message) => [message.id, message]));
  return journal.flatMap((entry) => {
    const message = stored.get(entry.acknowledged?.id ?? '');
    if (message === undefined) return [];
    const is = message.deleted_at === null ? message.content : null;
    const wanted = mayBe(entry);
    return wanted.includes(is) ? [] : [`${message.id} v${message.version} is ${said(is)}, not ${wanted.map(said).join(' or ')}`];
  });
}

const said = (content: string | null): string => (content === null ? 'deleted' : JSON.stringify(content.slice(0, 40)));

/** By the client's key, independently of the unique index that should make it impossible. */
function findDuplicated(messages: readonly MessageRow[]): string[] {
  const withKey = messages.filter(({ client_key }) => client_key !== null);
  const groups = Map.groupBy(withKey, (message) => `${message.conversation_id} ${message.sender_id} ${message.client_key}`);
  return [...groups].filter(([, group]) => group.length > 1).map(([key, group]) => `${key}: ${group.length} messages`);
}

function findUnexpected(journal: readonly JournalEntry[], messages: readonly MessageRow[]): string[] {
  const conversations = new Set(journal.map(({ conversationId }) => conversationId));
  const told = new Set(journal.map(({ acknowledged }) => acknowledged?.id));
  const inDoubt = new Set(journal.filter(({ acknowledged }) => acknowledged === undefined).map(({ key }) => key));
  const isOfDoubtful = ({ client_key }: MessageRow) => client_key !== null && inDoubt.has(client_key);
  return messages
    .filter((message) => conversations.has(message.conversation_id) && !told.has(message.id) && !isOfDoubtful(message))
    .map(({ id, client_key }) => `${id} (key ${client_key}) is stored and was never acknowledged`);
}

function findGaps(messages: readonly MessageRow[], heads: ReadonlyMap<string, number>): string[] {
  const byConversation = Map.groupBy(messages, ({ conversation_id }) => conversation_id);
  return [...heads].flatMap(([conversationId, head]) => {
    const seqs = (byConversation.get(conversationId) ?? []).map(({ seq }) => Number(seq)).toSorted((a, b) => a - b);
    const isGapFree = seqs.length === head && seqs.every((seq, i) => seq === i + 1);
    return isGapFree ? [] : [`${conversationId}: head ${head}, ${seqs.length} messages, last seq ${seqs.at(-1) ?? 0}`];
  });
}

/** Works out the chunks anew from the text: the ledger is a witness here, not the judge. */
function whatIsWrongWith(message: MessageRow, stored: ReadonlyMap<string, number>): string[] {
  const isDeleted = message.deleted_at !== null;
  const wanted = isDeleted ? [] : chunkMessage(sourceOf(message)).map(({ id }) => id);
  const isExact = stored.size === wanted.length && wanted.every((id) => stored.get(id) === message.version);
  const isRecorded =
    message.ledger_version === message.version &&
    message.ledger_chunks === wanted.length &&
    message.ledger_state === (isDeleted ? 'removed' : 'indexed');
  return [
    ...(isExact
      ? []
      : [`${message.id} v${message.version}: ${stored.size} of ${wanted.length} chunks, versions ${[...stored.values()].join()}`]),
    ...(isRecorded ? [] : [`${message.id} v${message.version}: ledger says ${message.ledger_state} v${message.ledger_version}`]),
  ];
}

function sourceOf({ id, conversation_id, sender_id, seq, version, created_at, content }: MessageRow) {
  return {
    messageId: id,
    conversationId: conversation_id,
    senderId: sender_id,
    seq: Number(seq),
    version,
    createdAt: created_at.toISOString(),
    content,
  };
}

const ifUndelivered = ({ id, version, delivered_version: delivered, delivery_state: state }: MessageRow): string[] =>
  delivered === version && state === 'delivered' ? [] : [`${id} v${version}: ledger says ${state} v${delivered}`];

/** Works out the signals anew from the text. */
const ifWronglyScored = ({ id, version, deleted_at, content, signals: stored }: MessageRow): string[] => {
  const { language, questions, emotion, length } = signalsOf(content);
  const wanted = deleted_at === null ? [version, 'scored', language, questions > 0, emotion, length] : [version, 'removed'];
  return stored === wanted.join(' ') ? [] : [`${id} v${version}: its signals are ${stored}, not ${wanted.join(' ')}`];
};

function findStray(chunks: ReadonlyMap<string, unknown>, messages: readonly MessageRow[]): string[] {
  const known = new Set(messages.map(({ id }) => id));
  return [...chunks.keys()].filter((id) => !known.has(id)).map((id) => `chunks of ${id}, which is not stored`);
}

/** Vectors of texts, of unit length, as Parley's embedder makes them. */
type Embed = (texts: readonly string[]) => Promise<readonly Float32Array[]>;

/** Of the same text, up to rounding. */
const SAME_TEXT = 0.999;
/** Their vectors are 3 KB of JSON each. */
const EMBEDDED_AT_ONCE = 1_000;

/** Edited messages whose vectors are not those of their text: a version is what its writer says, a vector is what it wrote. */
async function findOtherTexts(chromaUrl: string, messages: readonly MessageRow[], embed: Embed): Promise<string[]> {
  const chunks = messages
    .filter(({ version, deleted_at }) => version > 1 && deleted_at === null)
    .flatMap((message) => chunkMessage(sourceOf(message)));
  const lines: string[] = [];
  for (const collection of await collectionsOf(chromaUrl)) {
    for (let from = 0; from < chunks.length; from += EMBEDDED_AT_ONCE) {
      const some = new Map(chunks.slice(from, from + EMBEDDED_AT_ONCE).map((chunk) => [chunk.id, chunk.text]));
      const { ids, embeddings } = await collection.get({ ids: [...some.keys()], include: ['embeddings'], limit: EMBEDDED_AT_ONCE });
      const wanted = await embed(ids.map((id) => some.get(id) ?? ''));
      ids.forEach((id, i) => {
        const [stored = [], own = new Float32Array()] = [embeddings[i], wanted[i]];
        const similarity = own.reduce((sum, value, j) => sum + value * (stored[j] ?? 0), 0);
        if (similarity < SAME_TEXT) lines.push(`${id}: its vector is of another text (similarity ${similarity.toFixed(3)})`);
      });
    }
  }
  return lines;
}
