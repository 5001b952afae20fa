import type { ConversationId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { Semaphore } from '#lib/resilience/limit/semaphore';
import { currentDeadline } from '#lib/resilience/call/deadline';
import { type LexicalHit, LexicalIndexPort, type SearchFilter } from '../../search/lexical-index.port.js';
import { MIN_PREFIX_LENGTH, wordsOf } from '../../search/words.js';
import { FEW_CONVERSATIONS, newestOf, respellAmong } from './similar-words.js';

/** Newest visible messages that are scanned for the words of a query: 5 ms at most, however many messages have a word. */
const RECENT = 5_000;
/** Least number scanned of each conversation, when there are few. */
const MIN_RECENT = RECENT / FEW_CONVERSATIONS;
/** Different words of all scanned messages, four times those of as many ordinary ones: the cost of a long text is its words. */
const RECENT_WORDS = 300_000;
/** Milliseconds for which the answer of `isComplete` is cached. */
const STATE_FOR_MS = 10_000;
/** The same while search is behind, so that recovery shows soon. */
const STATE_BEHIND_FOR_MS = 1_000;
/** Older matches that are read per word (some 15 ms), before the visibility filter. A rare word has fewer. */
const READ_PER_WORD = 20_000;
/**
 * Messages that are ranked; of more matches only the newest. When any word suffices, the limit applies per word, so that a frequent word
 * does not push out the matches of a rare one.
 */
const RANKED = 100;
/** Different words of all ranked messages; beyond it only the newest messages are ranked. */
const RANKED_WORDS = 100_000;
/** Different words of all parts of documents in which proximity is looked at, the newest: some 25 full ones. Words that are everywhere cost 0.8 ms in each. */
const NEAR_IN_PART_WORDS = 25_000;
/** Words that are looked up one by one: the longest, which are the rarest. */
const SINGLE_WORDS = 8;
/**
 * Words whose proximity breaks ties, the longest ones. The cost of ts_rank_cd grows with the square and more: 32 repeated words took 70 ms per
 * text, 4 take less than 1 ms.
 */
const NEAR_WORDS = 4;
/** With fewer full matches than this (a page), messages with some of the words are searched too. */
const ENOUGH = 20;
/** Characters of a word that are compared; `parley_words` splits longer words there. */
const COMPARED = 64;
/** Seconds without indexed words after which search counts as behind; usually it takes less than one. */
const BEHIND_AFTER_SECONDS = 10;

/** Above SEARCH_WORKERS, so the queue never fills: waiting is bounded by the semaphore of searches. */
const MAX_WAITING = 1_000;

// $1 spellings, $2 place of the word in the query that each of them stands for, $3 number of the spelling that may be unfinished (0: none).
// Quoted, so that nothing in a word is an operator; folding happens first, because it can bring quotes in (ŉ becomes 'n). A spelling of two
// words asks for both anywhere: for neighbours Postgres would have to read every text that has them.
const TERMS = `
  SELECT
    place,
    '(' || string_agg(term || CASE WHEN number = $3 THEN ':*' ELSE '' END, ' | ') || ')' AS term,
    -- Longer words are rarer: the cheapest stand-in for a word's frequency, which Postgres does not rank by.
    max(least(char_length(spelling), 8))::real AS weight,
    row_number() OVER (ORDER BY max(least(char_length(spelling), 8)) DESC, place) AS rarity
  FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS asked (spelling, place, number)
  CROSS JOIN LATERAL (
    SELECT string_agg('''' || replace(replace(word, '\\', '\\\\'), '''', '''''') || '''', ' & ') AS term
    FROM regexp_split_to_table(parley_fold(left(spelling, ${COMPARED})), ' ') AS word
  ) quoted
  GROUP BY place`;

const near = (operator: '&' | '|') =>
  `to_tsquery('simple', string_agg(term, ' ${operator} ') FILTER (WHERE rarity <= ${NEAR_WORDS})) AS near`;

// $6-$8 filter
const FILTER = `
  ($6::text IS NULL OR t.sender_id = $6)
  AND ($7::timestamptz IS NULL OR t.created_at >= $7)
  AND ($8::timestamptz IS NULL OR t.created_at <= $8)`;

const FOUND = 't.message_id, t.version, t.place, t.word_count, t.words';

/**
 * The messages that are scanned before the full-text index is used: the newest that the reader may see. Neither the length nor the number of
 * messages elsewhere costs this reader anything. $4 visible conversations.
 */
const newestSeen = {
  // One conversation after the other, by the index of their messages.
  few: `
    SELECT t.* FROM conversations c
    CROSS JOIN LATERAL (
      SELECT * FROM message_texts t
      WHERE t.conversation_id = c.id AND t.seq > c.head_seq - greatest(${MIN_RECENT}, ${RECENT} / cardinality($4::uuid[])) OFFSET 0
    ) t
    WHERE c.id = ANY ($4::uuid[])`,
  // IS TRUE keeps the conversations from being planned with one by one, and makes the condition a lookup in a hash table.
  many: `
    SELECT t.* FROM (SELECT * FROM message_texts ORDER BY place DESC LIMIT ${RECENT}) t
    WHERE (t.conversation_id IN (SELECT unnest($4::uuid[]))) IS TRUE`,
};
type Visibility = keyof typeof newestSeen;

/** Whether older messages exist; a reader with few messages needs no full-text index at all. */
const hasOlder = {
  few: `
    CASE WHEN EXISTS (
      SELECT FROM conversations WHERE id = ANY ($4::uuid[]) AND head_seq > greatest(${MIN_RECENT}, ${RECENT} / cardinality($4::uuid[]))
    ) THEN true
    ELSE (SELECT sum(word_count) FROM message_texts WHERE conversation_id = ANY ($4::uuid[])) > ${RECENT_WORDS} END`,
  many: `EXISTS (SELECT FROM message_texts ORDER BY place DESC OFFSET ${RECENT})`,
};

/** Messages that match `query`, newest first across conversations. Postgres reads no more of them than the limit. */
const recent = (query: string, visibility: Visibility) => `
      SELECT ${FOUND}
      FROM (SELECT *, sum(word_count) OVER (ROWS UNBOUNDED PRECEDING) - word_count AS words_before FROM (${newestSeen[visibility]}) newest) t
      WHERE t.words_before < ${RECENT_WORDS} AND ${FILTER} AND t.words @@ ${query}`;

const seen = { few: 't.conversation_id = ANY ($4::uuid[])', many: '(t.conversation_id IN (SELECT unnest($4::uuid[]))) IS TRUE' };

/**
 * The newest messages that match `query`: first the scanned ones, then, only when these are too few, the full-text index. Postgres reads
 * matches in table order, oldest first, hence the limit.
 * Sorted by `place + 0`: an ORDER BY that an index offers tempts the planner into reading all messages from the newest on.
 */
const newest = (query: string, visibility: Visibility) => `
  (SELECT ${FOUND} FROM recent t WHERE t.words @@ ${query} ORDER BY t.place DESC LIMIT ${RANKED})
  UNION ALL
  (
    SELECT ${FOUND}
    FROM (
      SELECT * FROM message_texts t
      WHERE t.words @@ ${query} AND ${hasOlder[visibility]} ${visibility === 'few' ? `AND ${seen.few}` : ''}
      LIMIT ${READ_PER_WORD}
    ) t
    WHERE ${visibility === 'many' ? seen.many : 'TRUE'} AND ${FILTER} AND (t.message_id IN (SELECT message_id FROM recent)) IS NOT TRUE
    ORDER BY t.place + 0 DESC
    LIMIT ${RANKED}
  )
  LIMIT ${RANKED}`;

// Words may belong to a version that was edited or deleted a moment ago: only matches of the current version count.
const answer = (scored: string) => `
    SELECT hit.message_id AS id, hit.score
    FROM (${scored} ORDER BY score DESC, place DESC LIMIT $5) hit
    JOIN messages m ON m.id = hit.message_id AND m.version = hit.version AND m.deleted_at IS NULL
    ORDER BY hit.score DESC, hit.place DESC`;

const ranked = `(${newestOf('found', RANKED_WORDS)})`;

// Neither statement has a name: only a plan that is made for these parameters knows which of the filters are there. Planning takes 0.3 ms.
const everyWordAmong = (visibility: Visibility) => `
    WITH terms AS MATERIALIZED (${TERMS}),
    query AS MATERIALIZED (SELECT to_tsquery('simple', string_agg(term, ' & ')) AS every, ${near('&')} FROM terms),
    recent AS MATERIALIZED (
      ${recent('(SELECT every FROM query)', visibility)} ${visibility === 'few' ? 'ORDER BY t.place DESC' : ''} LIMIT ${RANKED}
    ),
    found AS MATERIALIZED (${newest('(SELECT every FROM query)', visibility)})
    ${answer(`
      SELECT r.message_id, r.version, r.place, 1 + ts_rank_cd(r.words, (SELECT near FROM query), 1 | 32) / 1000 AS score
      FROM ${ranked} r`)}`;

// Score: the share of the query (by weight) that the message has; ts_rank_cd decides among equals. setweight changes nothing: it unpacks the
// words once for all that looks at them.
const someWordsAmong = (visibility: Visibility) => `
    WITH terms AS MATERIALIZED (SELECT *, to_tsquery('simple', term) AS query FROM (${TERMS}) word),
    query AS MATERIALIZED (SELECT to_tsquery('simple', string_agg(term, ' | ')) AS either, ${near('|')}, sum(weight) AS weight FROM terms),
    recent AS MATERIALIZED (${recent('(SELECT either FROM query)', visibility)}),
    found AS MATERIALIZED (
      SELECT DISTINCT ON (hit.message_id) hit.*
      FROM (SELECT query FROM terms ORDER BY rarity LIMIT ${SINGLE_WORDS}) rarest
      CROSS JOIN LATERAL (${newest('rarest.query', visibility)}) hit
    )
    ${answer(`
      SELECT r.message_id, r.version, r.place, share.score + ts_rank_cd(read.words, (SELECT near FROM query), 1 | 32) / 1000 AS score
      FROM ${ranked} r
      CROSS JOIN LATERAL (SELECT setweight(r.words, 'D') AS words OFFSET 0) read
      CROSS JOIN LATERAL (
        SELECT sum(weight) FILTER (WHERE read.words @@ query) / (SELECT weight FROM query) AS score FROM terms
      ) share
      WHERE share.score > 0`)}`;

const statements = {
  few: { everyWord: everyWordAmong('few'), someWords: someWordsAmong('few') },
  many: { everyWord: everyWordAmong('many'), someWords: someWordsAmong('many') },
};

// $6-$8 filter
const PART_FILTER = `
  ($6::text IS NULL OR t.owner_id = $6)
  AND ($7::timestamptz IS NULL OR t.created_at >= $7)
  AND ($8::timestamptz IS NULL OR t.created_at <= $8)`;

/**
 * The newest parts of documents that match `query`, by the full-text index alone: it reads what it finds in table order, hence the first limit. Parts
 * never change, so what has the words is current.
 */
const newestParts = (query: string) => `
      SELECT t.id, t.word_count, t.words
      FROM (SELECT * FROM document_parts t WHERE t.words @@ ${query} AND t.conversation_id = ANY ($4::uuid[]) LIMIT ${READ_PER_WORD}) t
      WHERE ${PART_FILTER} ORDER BY t.id DESC LIMIT ${RANKED}`;

// Without their proximity the others still count: they have the words.
const counted = `(SELECT *, sum(word_count) OVER (ORDER BY id DESC) - word_count AS words_before FROM found ORDER BY id DESC LIMIT ${RANKED})`;
const nearness = (words: string) =>
  `CASE WHEN words_before < ${NEAR_IN_PART_WORDS} THEN ts_rank_cd(${words}, (SELECT near FROM query), 1 | 32) / 1000 ELSE 0 END`;

const partStatements = {
  everyWord: `
    WITH terms AS MATERIALIZED (${TERMS}),
    query AS MATERIALIZED (SELECT to_tsquery('simple', string_agg(term, ' & ')) AS every, ${near('&')} FROM terms),
    found AS MATERIALIZED (${newestParts('(SELECT every FROM query)')})
    SELECT id, 1 + ${nearness('words')} AS score FROM ${counted} f ORDER BY score DESC, id DESC LIMIT $5`,
  someWords: `
    WITH terms AS MATERIALIZED (SELECT *, to_tsquery('simple', term) AS query FROM (${TERMS}) word),
    query AS MATERIALIZED (SELECT ${near('|')}, sum(weight) AS weight FROM terms),
    found AS MATERIALIZED (
      SELECT DISTINCT ON (hit.id) hit.*
      FROM (SELECT query FROM terms ORDER BY rarity LIMIT ${SINGLE_WORDS}) rarest
      CROSS JOIN LATERAL (${newestParts('rarest.query')}) hit
    )
    SELECT f.id, share.score + ${nearness('f.words')} AS score
    FROM (SELECT id, words_before, setweight(words, 'D') AS words FROM ${counted} hit OFFSET 0) f
    CROSS JOIN LATERAL (SELECT sum(weight) FILTER (WHERE f.words @@ query) / (SELECT weight FROM query) AS score FROM terms) share
    ORDER BY score DESC, id DESC LIMIT $5`,
};

const STATE = {
  name: 'text-index-state',
  text: `
    SELECT NOT EXISTS (SELECT FROM text_backfill WHERE before_id > '00000000-0000-0000-0000-000000000000')
      AND coalesce(
        (SELECT changed_at FROM texts_to_index WHERE id > 0 AND attempts = 0 ORDER BY id LIMIT 1) > now() - interval '${BEHIND_AFTER_SECONDS} seconds',
        true
      ) AS "isComplete"`,
};

/** Parameters $4 to $8. */
type Rest = readonly [visible: readonly ConversationId[], k: number, senderId: string | null, from: Date | null, to: Date | null];

interface Row {
  id: string;
  score: number;
}

/**
 * Full text of Postgres over the stored words of messages (`message_texts`). Asks for messages with every word first; only when those do not fill a
 * page for messages with some of the words. When no message has them all, a word that the reader's messages do not know stands for similar ones
 * of theirs.
 */
export class PostgresLexicalIndex extends LexicalIndexPort {
  // Searches share the lane with other reads and may hold a connection for two seconds: they get half of them.
  private readonly semaphore: Semaphore;
  private complete = true;
  private completeUntil = 0;

  constructor(private readonly lane: PostgresLane) {
    super();
    this.semaphore = new Semaphore('lexical', { concurrent: Math.max(1, Math.floor(lane.size / 2)), queued: MAX_WAITING });
  }

  override get isComplete(): boolean {
    return this.complete;
  }

  override async find(query: string, visible: readonly ConversationId[], k: number, filter: SearchFilter = {}): Promise<LexicalHit[]> {
    const words = wordsOf(query);
    if (words.length === 0 || visible.length === 0) return [];
    const work = async () => {
      const rest: Rest = [visible, k, filter.senderId ?? null, dateOf(filter.fromMs), dateOf(filter.toMs)];
      await this.lookAtState();
      return hitsOf(await this.ask(words, rest));
    };
    return this.semaphore.run(work, { signal: currentDeadline()?.signal });
  }

  override async findParts(query: string, visible: readonly ConversationId[], k: number, filter: SearchFilter = {}): Promise<LexicalHit[]> {
    const words = wordsOf(query);
    if (words.length === 0 || visible.length === 0) return [];
    const rest: Rest = [visible, k, filter.senderId ?? null, dateOf(filter.fromMs), dateOf(filter.toMs)];
    return this.semaphore.run(async () => hitsOf(await this.askParts(words, rest)), { signal: currentDeadline()?.signal });
  }

  private async askParts(words: readonly string[], rest: Rest): Promise<Row[]> {
    const values = [...spelled(words.map((word) => [word])), ...rest];
    const withEvery = await this.lane.query<Row>(partStatements.everyWord, values);
    if (withEvery.length >= Math.min(rest[1], ENOUGH) || words.length === 1) return withEvery;
    const withSome = await this.lane.query<Row>(partStatements.someWords, values);
    const known = new Set(withEvery.map(({ id }) => id));
    return [...withEvery, ...withSome.filter(({ id }) => !known.has(id))].slice(0, rest[1]);
  }

  private async ask(words: readonly string[], rest: Rest): Promise<Row[]> {
    const [visible, k] = rest;
    const asTyped = words.map((word) => [word]);
    const { everyWord, someWords } = visible.length <= FEW_CONVERSATIONS ? statements.few : statements.many;
    const withEvery = await this.lane.query<Row>(everyWord, [...spelled(asTyped), ...rest]);
    if (withEvery.length >= Math.min(k, ENOUGH)) return withEvery;
    // A message with every word proves that none of them is a typo.
    const meant = withEvery.length > 0 ? undefined : await this.asMeant(words, rest);
    if (words.length === 1 && meant === undefined) return withEvery;
    const withSome = await this.lane.query<Row>(someWords, [...spelled(meant ?? asTyped), ...rest]);
    const known = new Set(withEvery.map(({ id }) => id));
    return [...withEvery, ...withSome.filter(({ id }) => !known.has(id))].slice(0, k);
  }

  /** Each word with its possible spellings; undefined when no visible word is similar to an unknown one. */
  private async asMeant(words: readonly string[], [visible]: Rest): Promise<string[][] | undefined> {
    const rows = await this.lane.query<{ place: number; spelling: string }>(respellAmong(visible.length), [words, visible]);
    if (rows.length === 0) return undefined;
    return words.map((word, index) => [word, ...rows.filter(({ place }) => place === index + 1).map(({ spelling }) => spelling)]);
  }

  private async lookAtState(): Promise<void> {
    if (performance.now() < this.completeUntil) return;
    const [state] = await this.lane.query<{ isComplete: boolean }>(STATE);
    this.complete = state?.isComplete === true;
    this.completeUntil = performance.now() + (this.complete ? STATE_FOR_MS : STATE_BEHIND_FOR_MS);
  }
}

/** The first three parameters: the spellings of each word of the query, the typed one first. */
const spelled = (words: readonly (readonly string[])[]): [spellings: string[], places: number[], unfinished: number] => {
  const spellings = words.flat();
  const places = words.flatMap((ways, index) => ways.map(() => index + 1));
  const last = words.at(-1)?.[0] ?? '';
  return [spellings, places, last.length >= MIN_PREFIX_LENGTH ? places.indexOf(words.length) + 1 : 0];
};

const dateOf = (ms: number | undefined): Date | null => (ms === undefined ? null : new Date(ms));

const hitsOf = (rows: readonly Row[]): LexicalHit[] => rows.map(({ id, score }) => ({ messageId: id, score }));
