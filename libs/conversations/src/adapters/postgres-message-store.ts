import type { MessageDeleted, MessageEdited } from '#lib/contracts/events';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { PostgresClock } from '#lib/database/adapters/lanes/postgres-clock';
import { sqlStateOf } from '#lib/database/adapters/lanes/postgres-errors';
import type { PostgresLane, Query } from '#lib/database/adapters/lanes/postgres-lane';
import { SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { SemaphorePerCaller } from '#lib/resilience/limit/semaphore-per-caller';
import { currentDeadline } from '#lib/resilience/call/deadline';
import { DependencyError } from '#lib/resilience/call/errors';
import { beginWait } from '#lib/runtime/work/work-registry';
import { metrics } from '#lib/runtime/metrics/metrics';
import { isTracing, type Span, startSharedSpan, startSpan, within } from '#lib/runtime/trace/span';
import { type ChangedMessage, checkChange, deletionOf, editOf, type MessageChange } from '../change-message.js';
import { type CommitHow, GroupCommit, type Outcome } from '../group-commit.js';
import { MAX_FOUND_BYTES, MAX_PAGE_BYTES } from '../limits.js';
import type { Message, MessageDraft, StoredMessage } from '../message.js';
import { MessageStorePort } from '../message-store.port.js';
import { announcementOf, messageOf, type PreparedMessage, prepare, stored } from '../prepared-message.js';
import { bytesBefore, messageBytes, messageColumns, messageFrom, type MessageRow } from './message-row.js';

type Verdict = StoredMessage | 'not-found' | 'key-reused';

/** A row of `ingest_messages()`; see its migration for the meaning of the verdicts. */
interface IngestRow {
  readonly item: number;
  readonly verdict: 'stored' | 'replayed' | 'key-reused' | 'not-found' | 'busy';
  readonly seq: string | null;
  readonly winner: number;
  readonly earlier: StoredEarlier | null;
}

/** What a replay needs of the message that is there; times are text inside JSON. */
interface StoredEarlier {
  readonly id: string;
  readonly seq: number;
  readonly createdAt: string;
}

/** Messages of one commit. Measured: larger batches only make their callers wait longer. */
const MAX_BATCH = 256;
/** What a message costs besides its text: its row, its event and its index entries, in characters. */
const ROW_COST = 512;
/** 256 messages of ordinary length, or 15 of the longest: a batch of long ones alone took Postgres more than its 3 s. */
const MAX_BATCH_COST = 2 * MAX_BATCH * ROW_COST;
/** As many as a process takes requests at once (HTTP_MAX_CONCURRENT), and as many again from its sockets. */
const MAX_WAITING = 2_000;
/** Edits and deletions of one caller that may wait for their turn; a client that changes more at once is refused. */
const MAX_EDITS_WAITING = 50;
/**
 * Longest wait of an edit for its turn, in milliseconds: what its route has beyond a call to Postgres (6 s, 5 s). Without it an overload
 * gives every turn to the edit that has waited longest, which has no time left to be made, and none is.
 */
const EDIT_TURN_MS = 1_000;
const DATA_EXCEPTION = '22';
const UNIQUE_VIOLATION = '23505';

const INGEST = { name: 'ingest-messages', text: 'SELECT * FROM ingest_messages($1::uuid[], $2::json, $3)' };

const SEQ_OF = { name: 'seq-of-message', text: 'SELECT seq FROM messages WHERE id = $1' };

const IS_MINE = 'EXISTS (SELECT FROM conversation_members WHERE conversation_id = m.conversation_id AND user_id = $2)';

const FIND = { name: 'find-message', text: `SELECT ${messageColumns('m')} FROM messages m WHERE m.id = $1 AND ${IS_MINE}` };

// Locked, so that of two edits at once the second sees the version of the first. The time is Postgres', which all processes agree on.
const FIND_TO_CHANGE = {
  name: 'find-message-to-change',
  text: `
    SELECT ${messageColumns('m')}, clock_timestamp() AS at FROM messages m WHERE m.id = $1 AND ${IS_MINE} FOR NO KEY UPDATE OF m`,
};
const CHANGE = {
  name: 'change-message',
  text: 'UPDATE messages SET content = $2, metadata = $3, version = $4, edited_at = $5, deleted_at = $6 WHERE id = $1',
};
const ANNOUNCE = { name: 'announce', text: 'INSERT INTO outbox (event_id, routing_key, envelope, headers) VALUES ($1, $2, $3, $4)' };

// By the index of ids, whatever the planner thinks of their number: joined with a list of ids it read all messages while there were 20,000.
const FIND_MANY = {
  name: 'find-messages',
  text: `
    SELECT * FROM (
      SELECT ${messageColumns('m')}, ${bytesBefore(messageBytes('m'), 'array_position($1::uuid[], m.id)')}
      FROM messages m WHERE m.id = ANY ($1::uuid[]) AND m.deleted_at IS NULL AND ${IS_MINE}
    ) found WHERE "bytesBefore" < ${MAX_FOUND_BYTES}`,
};

// One row even for an empty page, so that "no messages" and "no member" differ; one snapshot, so that head and page fit together.
const page = (name: string, condition: string, order: 'ASC' | 'DESC') => ({
  name,
  text: `
    SELECT c.head_seq AS "headSeq", page.*
    FROM conversations c
    JOIN conversation_members member ON member.conversation_id = c.id AND member.user_id = $2
    LEFT JOIN LATERAL (
      SELECT * FROM (
        SELECT ${messageColumns('m')}, ${bytesBefore(messageBytes('m'), `m.seq ${order}`)}
        FROM (SELECT * FROM messages m WHERE m.conversation_id = c.id AND m.seq ${condition} ORDER BY m.seq ${order} LIMIT $4) m
      ) sized WHERE "bytesBefore" < ${MAX_PAGE_BYTES} ORDER BY seq ${order}
    ) page ON true
    WHERE c.id = $1`,
});
const PAGE_AFTER = page('page-after', '> $3', 'ASC');
const PAGE_BEFORE = page('page-before', '< $3', 'DESC');

/**
 * Messages in Postgres. Sends of this process share commits: one call of `ingest_messages()` per batch. Two commits may be in flight,
 * because while one waits for the disk the other can be worked on; and a conversation that another process holds is waited for on a
 * connection of its own, so that it cannot hold up the others.
 */
export class PostgresMessageStore extends MessageStorePort {
  private readonly commits: GroupCommit<PreparedMessage, Verdict>;
  private readonly clock: PostgresClock;
  private readonly editors = new SemaphorePerCaller('edits', { concurrent: 1, queued: MAX_EDITS_WAITING });

  /** @param sends lane of `store` alone. @param edits lane of `edit` and `delete`. @param reads lane of everything else. */
  constructor(
    private readonly sends: PostgresLane,
    private readonly reads: PostgresLane,
    private readonly edits: PostgresLane,
  ) {
    super();
    this.clock = new PostgresClock(sends);
    const concurrent = sends.size > 2 ? 2 : 1;
    this.commits = new GroupCommit({
      conversationOf: ({ draft }) => draft.conversationId,
      senderOf: ({ draft }) => draft.senderId,
      costOf,
      commit: (batch, how) => this.commit(batch, how),
      maxBatch: MAX_BATCH,
      maxBatchCost: MAX_BATCH_COST,
      maxWaiting: MAX_WAITING,
      concurrent,
      patient: Math.max(1, sends.size - concurrent),
    });
  }

  async store(draft: MessageDraft): Promise<StoredMessage> {
    const verdict = await this.decide(prepare(draft, this.clock.known ?? (await this.clock.now())));
    if (verdict === 'not-found') throw new ProblemError('not-found', 'There is no such conversation.');
    if (verdict === 'key-reused') {
      throw new ProblemError('idempotency-key-reused', 'This idempotency key was used for a message with another body.');
    }
    return verdict;
  }

  async edit(change: MessageChange, content: string): Promise<ChangedMessage<MessageEdited>> {
    return this.change(change.actor, async (query) => {
      const { message, at } = await lockedFor(change, query);
      const changed = editOf(message, content, at);
      await write(changed, change, query);
      return changed;
    });
  }

  async delete(change: MessageChange): Promise<ChangedMessage<MessageDeleted> | undefined> {
    return this.change(change.actor, async (query) => {
      const { message, at } = await lockedFor(change, query);
      const changed = deletionOf(message, at);
      if (changed !== undefined) await write(changed, change, query);
      return changed;
    });
  }

  async find(id: MessageId, reader: UserId): Promise<Message | undefined> {
    const [row] = await this.reads.query<MessageRow>(FIND, [id, reader]);
    return row === undefined ? undefined : messageFrom(row);
  }

  async findMany(ids: readonly MessageId[], reader: UserId): Promise<Message[]> {
    if (ids.length === 0) return [];
    const rows = await this.reads.query<MessageRow>(FIND_MANY, [[...new Set(ids)], reader]);
    return rows.map(messageFrom);
  }

  async page(
    conversationId: ConversationId,
    reader: UserId,
    { afterSeq, beforeSeq, limit }: { afterSeq?: number | undefined; beforeSeq?: number | undefined; limit: number },
  ): Promise<{ messages: Message[]; headSeq: number } | undefined> {
    const isForward = afterSeq !== undefined;
    const bound = afterSeq ?? beforeSeq ?? Number.MAX_SAFE_INTEGER;
    const rows = await this.reads.query<MessageRow & { headSeq: string; id: string | null }>(isForward ? PAGE_AFTER : PAGE_BEFORE, [
      conversationId,
      reader,
      bound,
      limit,
    ]);
    const [first] = rows;
    if (first === undefined) return undefined;
    const messages = rows.filter(({ id }) => id !== null).map(messageFrom);
    return { messages: isForward ? messages : messages.reverse(), headSeq: Number(first.headSeq) };
  }

  /** One change of a caller at a time: heavy texts of one must not hold all connections of the lane. */
  private async change<T>(actor: UserId, work: (query: Query) => Promise<T>): Promise<T> {
    try {
      const waiting = { signal: currentDeadline()?.signal, withinMs: EDIT_TURN_MS };
      return await this.editors.run(actor, () => this.edits.transaction(work), waiting);
    } catch (error) {
      throw error instanceof SemaphoreFull ? new DependencyError('postgres', 'edits', 'overloaded', { cause: error }) : error;
    }
  }

  private decide(prepared: PreparedMessage): Promise<Verdict> {
    const wait = beginWait('postgres', 'shared commit'); // the commit itself runs for many, so it is in the name of none of them
    const span = startSpan('shared commit', 'internal');
    if (span !== undefined) prepared.span = span;
    return this.commits.join(prepared).then(
      (verdict) => {
        wait?.end();
        span?.end();
        return verdict;
      },
      async (error: unknown) => {
        wait?.end();
        const late = sqlStateOf(error) === UNIQUE_VIOLATION ? await this.storedLate(prepared) : undefined;
        if (late !== undefined) {
          span?.end();
          return late;
        }
        span?.fail(error).end();
        // The edge lets through only what can be stored; should it ever not, the caller learns it, and it does not look like our fault.
        if (sqlStateOf(error)?.startsWith(DATA_EXCEPTION) !== true) throw error;
        throw new ProblemError('validation', 'The message holds something that cannot be stored.', { cause: error });
      },
    );
  }

  /**
   * A commit without an answer may come true while its messages are tried again: what has the id of this one is this one. With a key the retry
   * itself finds it.
   */
  private async storedLate(prepared: PreparedMessage): Promise<StoredMessage | undefined> {
    const [row] = await this.reads.query<{ seq: string }>(SEQ_OF, [prepared.id]);
    return row === undefined ? undefined : stored(prepared, Number(row.seq));
  }

  private async commit(batch: readonly PreparedMessage[], { isPatient, limitMs }: CommitHow): Promise<Outcome<Verdict>[]> {
    const conversations = [...new Set(batch.map(({ draft }) => draft.conversationId))];
    const endTimer = metrics.ingestCommitDuration.startTimer();
    metrics.ingestBatchSize.observe(batch.length);
    const span = commitSpanOf(batch);
    try {
      const values = [conversations, JSON.stringify(batch.map(toJson)), isPatient];
      const rows = await within(span, () =>
        limitMs === undefined ? this.sends.query<IngestRow>(INGEST, values) : this.sends.queryWithin<IngestRow>(limitMs, INGEST, values),
      );
      return outcomesOf(batch, rows);
    } catch (error) {
      span?.fail(error);
      throw error;
    } finally {
      endTimer();
      span?.end();
    }
  }
}

/** One span cannot have many parents: that of a commit is linked to the sends that share it, and they to it. A send alone has it below its own. */
const commitSpanOf = (batch: readonly PreparedMessage[]): Span | undefined => {
  if (!isTracing()) return undefined;
  const commit = startSharedSpan(
    'commit',
    'internal',
    batch.map(({ span }) => span?.traceparent),
  )?.set('app.batch_size', batch.length);
  if (batch.length > 1) for (const { span } of batch) span?.link(commit?.traceparent);
  return commit;
};

const costOf = ({ draft: { content, metadata } }: PreparedMessage): number =>
  ROW_COST + content.length + (metadata === undefined ? 0 : JSON.stringify(metadata).length);

const lockedFor = async (change: MessageChange, query: Query): Promise<{ message: Message; at: Date }> => {
  const [row] = await query<MessageRow & { at: Date }>(FIND_TO_CHANGE, [change.id, change.actor]);
  const message = checkChange(row === undefined ? undefined : messageFrom(row), change);
  return { message, at: row?.at ?? new Date() };
};

const write = async (
  { message, event }: ChangedMessage<MessageEdited | MessageDeleted>,
  { requestId, traceparent }: MessageChange,
  query: Query,
): Promise<void> => {
  const { id, content, metadata = null, version, editedAt, deletedAt } = message;
  await query(CHANGE, [id, content, metadata, version, editedAt, deletedAt]);
  await query(ANNOUNCE, [event.eventId, event.type, event, { requestId, traceparent }]);
};

const toJson = (prepared: PreparedMessage, item: number): object => {
  const { draft, id, createdAt, bodyHash } = prepared;
  const { data, ...envelope } = announcementOf(prepared, 0);
  const { seq: _seq, content: _content, ...facts } = data;
  return {
    item,
    messageId: id,
    conversationId: draft.conversationId,
    senderId: draft.senderId,
    content: draft.content,
    metadata: draft.metadata,
    clientKey: draft.key,
    bodyHash: bodyHash === undefined ? undefined : `\\x${bodyHash}`,
    createdAt,
    event: { ...envelope, data: facts },
    headers: { requestId: draft.requestId, traceparent: draft.traceparent },
  };
};

const outcomesOf = (batch: readonly PreparedMessage[], rows: readonly IngestRow[]): Outcome<Verdict>[] => {
  const byItem = new Map(rows.map((row) => [row.item, row]));
  return batch.map((prepared, item) => {
    const row = byItem.get(item);
    if (row === undefined) throw new Error('ingest_messages() gave no verdict for an item');
    switch (row.verdict) {
      case 'busy':
        return { kind: 'busy' };
      case 'not-found':
      case 'key-reused':
        return { kind: 'decided', verdict: row.verdict };
      case 'stored':
        return { kind: 'decided', verdict: stored(prepared, Number(row.seq)) };
      case 'replayed':
        return { kind: 'decided', verdict: { replayed: true, message: replayedMessage(prepared, row, batch, byItem) } };
    }
  });
};

// The message as it was accepted, whatever became of it since: what was sent then is what was sent now, because the hashes are the same.
const replayedMessage = (
  prepared: PreparedMessage,
  { earlier, winner }: IngestRow,
  batch: readonly PreparedMessage[],
  byItem: Map<number, IngestRow>,
): Message => {
  if (earlier !== null) return messageOf({ ...prepared, id: earlier.id, createdAt: new Date(earlier.createdAt) }, earlier.seq);
  const [first, row] = [batch[winner], byItem.get(winner)];
  if (first === undefined || row === undefined || row.seq === null)
    throw new Error('ingest_messages() named a winner that it did not store');
  return messageOf(first, Number(row.seq));
};
