import { sqlStateOf } from '#lib/database/adapters/lanes/postgres-errors';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { DependencyError } from '#lib/resilience/call/errors';
import { type PendingTextId, type TextIndexDepth, TextIndexPort, TextsRefused } from '../text-index.port.js';

/** Texts of one batch: of ordinary ones some 20 ms of Postgres. */
const MAX_TEXTS = 200;
/** Bytes of one batch beyond its first text. The worst texts known take 9 ms for 16 KB, so a batch takes less than 200 ms. */
const MAX_BYTES = 256 * 1_024;
/** Longest that a batch may take; ten times what the worst one does on a quiet machine. */
const BATCH_TIMEOUT_MS = 2_000;
/** Messages enlisted at once by the backfill, while nothing of it is left to do. */
const ENLISTED = 1_000;
/** Failures after which a text is given up. */
const MAX_ATTEMPTS = 3;
/** Counting stops here: looking at a huge backlog must not become a load of its own. */
const COUNT_LIMIT = 100_000;

const STATEMENT_TIMEOUT = '57014';
// Data that a function cannot take, and a limit of Postgres itself that a text exceeds (54000: a tsvector beyond 1 MB).
const ITS_FAULT = /^(?:22|54)/;

// The length in bytes is known without reading a long text.
const batch = (condition: string, order: 'ASC' | 'DESC') => `
  SELECT id FROM (
    SELECT w.id, sum(octet_length(m.content)) OVER (ORDER BY w.id ${order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
    FROM (SELECT id, message_id FROM texts_to_index WHERE ${condition} AND attempts = 0 ORDER BY id ${order} LIMIT ${MAX_TEXTS}) w
    LEFT JOIN messages m ON m.id = w.message_id
  ) waiting
  WHERE coalesce(bytes_before, 0) < ${MAX_BYTES}
  ORDER BY id ${order}`;
const DUE = { name: 'texts-due', text: batch('id > 0', 'ASC') };
const DUE_OLDER = { name: 'texts-due-older', text: batch('id < 0', 'DESC') };

const FAILED_BEFORE = `
  SELECT id FROM texts_to_index WHERE attempts > 0 AND attempts < ${MAX_ATTEMPTS} ORDER BY id LIMIT $1`;

// Lost in a crash of Postgres are only the words together with the work that is left to do, so the commit waits for no disk. The plan is
// pinned to the indexes: what Postgres believes about these tables is out of date most of the time.
const SETTINGS = {
  name: 'texts-settings',
  text: `
    SELECT set_config('statement_timeout', $1, true), set_config('synchronous_commit', 'off', true),
           set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`,
};

// In the order of their ids, so that two processes that hold the same messages never wait for each other in a circle. A deleted message keeps
// its row, without words: so that an older version that is written last finds a newer one there.
const INDEX = {
  name: 'texts-index',
  text: `
    WITH due AS MATERIALIZED (
      SELECT id, message_id FROM texts_to_index WHERE id = ANY ($1::bigint[]) FOR UPDATE SKIP LOCKED
    ),
    indexed AS (
      INSERT INTO message_texts (message_id, conversation_id, seq, place, created_at, version, word_count, sender_id, words)
      SELECT m.id, m.conversation_id, m.seq, changed.place, m.created_at, m.version, length(read.words), m.sender_id, read.words
      FROM (SELECT message_id, min(id) AS place FROM due GROUP BY message_id) changed
      JOIN messages m ON m.id = changed.message_id
      CROSS JOIN LATERAL (SELECT CASE WHEN m.deleted_at IS NULL THEN parley_words(m.content) ELSE '' END AS words OFFSET 0) read
      ORDER BY m.id
      ON CONFLICT (message_id) DO UPDATE
      SET version = excluded.version, sender_id = excluded.sender_id, word_count = excluded.word_count, words = excluded.words
      WHERE message_texts.version < excluded.version
    )
    DELETE FROM texts_to_index USING due WHERE texts_to_index.id = due.id RETURNING texts_to_index.id`,
};

const SET_ASIDE = `
  UPDATE texts_to_index SET attempts = CASE WHEN $2 THEN ${MAX_ATTEMPTS} ELSE attempts + 1 END, failure = $3
  WHERE id = $1::bigint RETURNING attempts >= ${MAX_ATTEMPTS} AS "isParked"`;

// Only when nothing of the backfill is left to do, so that it never grows into a queue of its own. The newest come first and get the next
// place below 0: search finds what was said last from the first minute on.
const ENLIST_OLDER = `
  WITH backfill AS MATERIALIZED (
    SELECT before_id, next_place FROM text_backfill
    WHERE NOT EXISTS (SELECT FROM texts_to_index WHERE id < 0 AND attempts = 0) FOR UPDATE SKIP LOCKED
  ),
  older AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY id DESC) AS number
    FROM (SELECT id FROM messages WHERE id < (SELECT before_id FROM backfill) ORDER BY id DESC LIMIT ${ENLISTED}) newest
  ),
  enlisted AS (
    INSERT INTO texts_to_index (id, message_id) SELECT next_place - number + 1, older.id FROM older, backfill
  ),
  advanced AS (
    UPDATE text_backfill
    SET before_id = coalesce((SELECT id FROM older ORDER BY number DESC LIMIT 1), '00000000-0000-0000-0000-000000000000'),
        next_place = next_place - (SELECT count(*) FROM older)
    WHERE EXISTS (SELECT FROM backfill)
  )
  SELECT (SELECT count(*) FROM backfill)::int AS "isMine", (SELECT count(*) FROM older)::int AS enlisted`;

const DEPTH = {
  name: 'texts-depth',
  text: `
    SELECT
      (SELECT count(*) FROM (SELECT FROM texts_to_index WHERE attempts < ${MAX_ATTEMPTS} LIMIT ${COUNT_LIMIT}) AS pending)::int AS pending,
      (SELECT count(*) FROM (SELECT FROM texts_to_index WHERE attempts >= ${MAX_ATTEMPTS} LIMIT ${COUNT_LIMIT}) AS parked)::int AS parked,
      coalesce(
        (SELECT greatest(0, extract(epoch FROM now() - changed_at)) FROM texts_to_index WHERE attempts < ${MAX_ATTEMPTS} AND id > 0 ORDER BY id LIMIT 1), 0
      )::float8 AS "oldestAgeSeconds"`,
};

/** `message_texts` and the work table `texts_to_index`. Use a lane on which a batch of 2 s may run. */
export class PostgresTextIndex extends TextIndexPort {
  /** @param batchTimeoutMs longest that a batch may take. */
  constructor(
    private readonly lane: PostgresLane,
    private readonly batchTimeoutMs = BATCH_TIMEOUT_MS,
  ) {
    super();
  }

  async due(): Promise<PendingTextId[]> {
    const fresh = await this.lane.query<{ id: PendingTextId }>(DUE);
    const rows = fresh.length > 0 ? fresh : await this.lane.query<{ id: PendingTextId }>(DUE_OLDER);
    return rows.map(({ id }) => id);
  }

  async failedBefore(limit: number): Promise<PendingTextId[]> {
    return (await this.lane.query<{ id: PendingTextId }>(FAILED_BEFORE, [limit])).map(({ id }) => id);
  }

  async index(ids: readonly PendingTextId[]): Promise<number> {
    if (ids.length === 0) return 0;
    return this.lane.transaction(async (query) => {
      await query(SETTINGS, [String(this.batchTimeoutMs)]);
      try {
        return (await query(INDEX, [ids])).length;
      } catch (error) {
        throw refusalOf(error, this.batchTimeoutMs) ?? error;
      }
    });
  }

  async setAside(id: PendingTextId, { reason, isFinal }: { reason: string; isFinal: boolean }): Promise<boolean> {
    const [row] = await this.lane.query<{ isParked: boolean }>(SET_ASIDE, [id, isFinal, reason]);
    return row?.isParked === true;
  }

  async enlistOlder(): Promise<number> {
    const [row] = await this.lane.query<{ isMine: number; enlisted: number }>(ENLIST_OLDER);
    if (row === undefined || row.isMine === 0) return 0;
    if (row.enlisted === 0) await this.lane.query('SELECT end_text_backfill()');
    return row.enlisted;
  }

  async depth(): Promise<TextIndexDepth> {
    const [depth] = await this.lane.query<TextIndexDepth>(DEPTH);
    return depth ?? { pending: 0, parked: 0, oldestAgeSeconds: 0 };
  }
}

/**
 * What an error says of texts that could not be indexed; undefined when it is not about them. Not the error's message, which may hold words of
 * the text. A statement that Postgres ended must not open a breaker: the text may be why.
 */
export const refusalOf = (error: unknown, timeoutMs: number): TextsRefused | undefined => {
  const cause = error instanceof DependencyError ? error.cause : error;
  const state = sqlStateOf(cause);
  if (state === STATEMENT_TIMEOUT) return new TextsRefused(`took longer than ${timeoutMs} ms`, true, { cause });
  return state !== undefined && ITS_FAULT.test(state) ? new TextsRefused(`SQLSTATE ${state}`, false, { cause }) : undefined;
};
