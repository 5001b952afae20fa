import type { ConversationId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/postgres-lane';
import { Bulkhead } from '#lib/resilience/bulkhead';
import { currentDeadline } from '#lib/resilience/deadline';
import { type LexicalHit, LexicalIndexPort, type SearchFilter } from '../search/lexical-index.port.js';
import { MIN_PREFIX_LENGTH, wordsOf } from '../search/words.js';

/** Messages with every word that are ranked; of more only the newest, because ranking reads their text. */
const RANKED_PER_QUERY = 300;
/** The same for one word of a query of which only some words are needed: a frequent word must not push out the finds of a rare one. */
const RANKED_PER_WORD = 100;
/** Words that are looked up one by one, the longest (rarest) ones. */
const SINGLE_WORDS = 8;
/** With fewer messages than a page that have every word, those with some of the words are asked for too. */
const ENOUGH = 20;
/** One letter too few, too many or wrong in a word of six leaves 0.5 to 0.6 of its trigrams; Postgres' own default of 0.6 forgives hardly any. */
const SIMILARITY_THRESHOLD = '0.45';
/** Below three characters a text is like too many others to be compared by trigrams. */
const MIN_SIMILAR_LENGTH = 3;
/** Words of a query that are compared by likeness; the cost grows with their length times that of the message. */
const SIMILAR_WORDS = 8;

/** More than searches run at once (SEARCH_WORKERS), so it never fills: what waits here has its place among the searches already. */
const MAX_WAITING = 1_000;

// What the indexes of `messages` are made of (migration create-messages): a query must repeat these expressions word for word.
const VECTOR = `to_tsvector('simple', parley_fold(m.content))`;
const FOLDED = `parley_fold(m.content)`;

// $1 words, $2 place of the word that may be unfinished (0: none). Quoted, so that nothing in a word is an operator; folding happens first,
// because it can bring quotes in (ŉ becomes 'n).
const TERMS = `
  SELECT
    place,
    '''' || replace(replace(parley_fold(word), '\\', '\\\\'), '''', '''''') || '''' || CASE WHEN place = $2 THEN ':*' ELSE '' END AS term,
    -- Longer words are rarer: the cheapest stand-in for a word's frequency, which Postgres does not rank by.
    least(char_length(word), 8)::real AS weight
  FROM unnest($1::text[]) WITH ORDINALITY AS asked (word, place)`;

// $3 visible conversations, $4 k, $5-$7 filter
const ALLOWED = `
  m.deleted_at IS NULL
  AND m.conversation_id = ANY ($3::uuid[])
  AND ($5::text IS NULL OR m.sender_id = $5)
  AND ($6::timestamptz IS NULL OR m.created_at >= $6)
  AND ($7::timestamptz IS NULL OR m.created_at <= $7)`;

// None of the statements has a name: a plan for any parameters would compare every message with each of up to 10,000 visible conversations in turn;
// one that is made for these parameters hashes them, and knows which of the filters are there.
// Sorted by created_at and not by id: an ORDER BY that an index offers tempts the planner into reading all messages from the newest on.
const everyWord = `
    WITH terms AS MATERIALIZED (${TERMS}),
    query AS MATERIALIZED (SELECT to_tsquery('simple', string_agg(term, ' & ')) AS every FROM terms),
    found AS MATERIALIZED (
      SELECT m.id, m.content, m.created_at
      FROM messages m
      WHERE ${VECTOR} @@ (SELECT every FROM query) AND ${ALLOWED}
      ORDER BY m.created_at DESC
      LIMIT ${RANKED_PER_QUERY}
    )
    SELECT m.id, 1 + ts_rank_cd(${VECTOR}, (SELECT every FROM query), 1 | 32) / 1000 AS score
    FROM found m
    ORDER BY score DESC, m.created_at DESC
    LIMIT $4`;

// Score: the share of the query (by weight) that the message has; ts_rank_cd decides among equals. Messages with every word are known already.
const someWords = `
    WITH terms AS MATERIALIZED (${TERMS}),
    query AS MATERIALIZED (SELECT to_tsquery('simple', string_agg(term, ' | ')) AS either, sum(weight) AS weight FROM terms),
    found AS MATERIALIZED (
      SELECT DISTINCT ON (hit.id) hit.id, hit.content, hit.created_at
      FROM (SELECT term FROM terms ORDER BY weight DESC, place LIMIT ${SINGLE_WORDS}) rarest
      CROSS JOIN LATERAL (
        SELECT m.id, m.content, m.created_at
        FROM messages m
        WHERE ${VECTOR} @@ to_tsquery('simple', rarest.term) AND ${ALLOWED}
        ORDER BY m.created_at DESC
        LIMIT ${RANKED_PER_WORD}
      ) hit
    )
    SELECT m.id, share.score + ts_rank_cd(vector, (SELECT either FROM query), 1 | 32) / 1000 AS score
    FROM found m
    CROSS JOIN LATERAL (SELECT ${VECTOR} AS vector OFFSET 0) read
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(weight) FILTER (WHERE vector @@ to_tsquery('simple', term)), 0) / (SELECT weight FROM query) AS score FROM terms
    ) share
    ORDER BY score DESC, m.created_at DESC
    LIMIT $4`;

// $1 the words as one text, $2 unused here but kept so that all three statements share their parameters.
const similar = `
    WITH found AS MATERIALIZED (
      SELECT m.id, m.content, m.created_at
      FROM messages m
      WHERE ${FOLDED} %> parley_fold($1::text) AND ${ALLOWED} AND $2::int IS NOT NULL
      ORDER BY m.created_at DESC
      LIMIT ${RANKED_PER_QUERY}
    )
    SELECT m.id, word_similarity(parley_fold($1::text), ${FOLDED}) AS score
    FROM found m
    ORDER BY score DESC, m.created_at DESC
    LIMIT $4`;

interface Row {
  id: string;
  score: number;
}

/**
 * Full text and trigrams of Postgres over `parley_fold(content)`. Asks for messages with every word first; only when those do not fill a page
 * for messages with some of the words, and only when there are none for similar ones.
 */
export class PostgresLexicalIndex extends LexicalIndexPort {
  // Whoever pages through messages waits for the same connections, and a search may hold one for two seconds: it gets half of them.
  private readonly places: Bulkhead;

  constructor(private readonly lane: PostgresLane) {
    super();
    this.places = new Bulkhead('lexical', { concurrent: Math.max(1, Math.floor(lane.size / 2)), queued: MAX_WAITING });
  }

  override async find(query: string, visible: readonly ConversationId[], k: number, filter: SearchFilter = {}): Promise<LexicalHit[]> {
    const words = wordsOf(query);
    const last = words.at(-1);
    if (last === undefined || visible.length === 0) return [];
    const unfinished = last.length >= MIN_PREFIX_LENGTH ? words.length : 0;
    const rest = [visible, k, filter.senderId ?? null, dateOf(filter.fromMs), dateOf(filter.toMs)];
    return this.places.run(() => this.ask(words, unfinished, rest, k), currentDeadline()?.signal);
  }

  private async ask(words: readonly string[], unfinished: number, rest: readonly unknown[], k: number): Promise<LexicalHit[]> {
    const withEvery = await this.lane.query<Row>(everyWord, [words, unfinished, ...rest]);
    if (withEvery.length >= Math.min(k, ENOUGH)) return hitsOf(withEvery);
    if (words.length > 1) {
      const known = new Set(withEvery.map(({ id }) => id));
      const withSome = await this.lane.query<Row>(someWords, [words, unfinished, ...rest]);
      const all = [...withEvery, ...withSome.filter(({ id }) => !known.has(id))].slice(0, k);
      if (all.length > 0) return hitsOf(all);
    } else if (withEvery.length > 0) {
      return hitsOf(withEvery);
    }
    const text = words.slice(0, SIMILAR_WORDS).join(' ');
    if (text.length < MIN_SIMILAR_LENGTH) return [];
    return hitsOf(
      await this.lane.transaction(async (query) => {
        // The operator takes its threshold from a setting; true = for this transaction only.
        await query(`SELECT set_config('pg_trgm.word_similarity_threshold', $1, true)`, [SIMILARITY_THRESHOLD]);
        return query<Row>(similar, [text, unfinished, ...rest]);
      }),
    );
  }
}

const dateOf = (ms: number | undefined): Date | null => (ms === undefined ? null : new Date(ms));

const hitsOf = (rows: readonly Row[]): LexicalHit[] => rows.map(({ id, score }) => ({ messageId: id, score }));
