import type { ConversationId } from '#lib/contracts/ids';
import type { PostgresLane } from '#lib/database/adapters/postgres-lane';
import { Bulkhead } from '#lib/resilience/bulkhead';
import { currentDeadline } from '#lib/resilience/deadline';
import type { VocabularyPort } from '#lib/vectors/vocabulary.port';
import { type LexicalHit, LexicalIndexPort, type SearchFilter } from '../search/lexical-index.port.js';
import { MIN_PREFIX_LENGTH, wordsOf } from '../search/words.js';

/** The newest messages of all conversations, where each word is looked for first. Two thirds of them take 290 pages and a few ms. */
const RECENT = 10_000;
/** Milliseconds for which "the newest" may be out of date: finding out reads 10,000 entries of an index, and a few more messages cost hardly more. */
const RECENT_FOR_MS = 10_000;
/** Of the older messages at most so many that match are read (some 15 ms), before it is known who may see them. A rare word has fewer. */
const READ_PER_WORD = 20_000;
/**
 * Messages that are ranked, of more only the newest, because ranking reads their text (20 microseconds each). When only some words are needed
 * as many for each word: a frequent one must not push out the finds of a rare one.
 */
const RANKED = 100;
/** Somebody with so few messages has each of them read (10 ms); two looks for each word into an index that is about everybody's take longer. */
const MAX_READ = 500;
/** Conversations that the planner is told one by one. */
const FEW = 200;
/** Words that are looked up one by one, the longest (rarest) ones. */
const SINGLE_WORDS = 8;
/** With fewer messages than a page that have every word, those with some of the words, or with similar ones, are asked for too. */
const ENOUGH = 20;

/** More than searches run at once (SEARCH_WORKERS), so it never fills: what waits here has its place among the searches already. */
const MAX_WAITING = 1_000;

/** Before all messages. */
const NIL = '00000000-0000-0000-0000-000000000000';

// What the full-text index of `messages` is made of (migration create-messages): a query must repeat this word for word.
const VECTOR = `to_tsvector('simple', parley_fold(m.content))`;

// $1 spellings, $2 place of the word in the query that each of them stands for, $3 number of the spelling that may be unfinished (0: none).
// Quoted, so that nothing in a word is an operator; folding happens first, because it can bring quotes in (ŉ becomes 'n). A spelling of two
// words asks for both anywhere: for neighbours Postgres would have to read every text that has them.
const TERMS = `
  SELECT
    place,
    '(' || string_agg(term || CASE WHEN number = $3 THEN ':*' ELSE '' END, ' | ') || ')' AS term,
    -- Longer words are rarer: the cheapest stand-in for a word's frequency, which Postgres does not rank by.
    max(least(char_length(spelling), 8))::real AS weight
  FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS asked (spelling, place, number)
  CROSS JOIN LATERAL (
    SELECT string_agg('''' || replace(replace(word, '\\', '\\\\'), '''', '''''') || '''', ' & ') AS term
    FROM regexp_split_to_table(parley_fold(spelling), ' ') AS word
  ) quoted
  GROUP BY place`;

// $4 visible conversations. Among few of them Postgres may look at their own messages only (messages_seq), which is what makes a search cheap for
// somebody who sees little of a lot. With many, planning looks at each of them in turn: IS TRUE keeps the condition
// from being planned with, and makes it a lookup in a hash table.
const seen = { few: 'm.conversation_id = ANY ($4::uuid[])', many: '(m.conversation_id IN (SELECT unnest($4::uuid[]))) IS TRUE' };
type Visibility = keyof typeof seen;

// $6-$8 filter
const FILTER = `
  ($6::text IS NULL OR m.sender_id = $6)
  AND ($7::timestamptz IS NULL OR m.created_at >= $7)
  AND ($8::timestamptz IS NULL OR m.created_at <= $8)`;

// $9 the oldest of the recent messages; ids begin with their time. The planner's statistics of ids end where they were last gathered, a minute or
// 100,000 messages ago: it would take the recent ones for a handful and read the texts of all 10,000 (160 ms). The sub-select hides the id from
// it, and it asks both indexes. For the older ones the index of ids is no help: IS TRUE keeps it out. While all are recent, neither is looked at.
const isRecent = `($9::uuid = '${NIL}' OR m.id >= (SELECT $9::uuid))`;
const isOlder = `$9::uuid <> '${NIL}' AND (m.id < $9::uuid) IS TRUE`;

/**
 * The newest messages that match `query`. The index of ids and the full-text index together find the recent ones without reading any other
 * message. Only when they are too few, the second half runs.
 * Postgres reads matches in the order of the table, the oldest first, which is why the older ones have a limit and the recent ones none.
 */
const newest = (query: string, visibility: Visibility) => `
  (
    SELECT m.id, m.content, m.created_at
    FROM messages m
    WHERE ${VECTOR} @@ ${query} AND m.deleted_at IS NULL AND ${isRecent} AND ${seen[visibility]} AND ${FILTER}
    ORDER BY m.created_at DESC
    LIMIT ${RANKED}
  )
  UNION ALL
  (
    SELECT m.id, m.content, m.created_at
    FROM (
      SELECT * FROM messages m
      WHERE ${VECTOR} @@ ${query} AND m.deleted_at IS NULL AND ${isOlder} ${visibility === 'few' ? `AND ${seen.few}` : ''}
      LIMIT ${READ_PER_WORD}
    ) m
    WHERE ${visibility === 'many' ? seen.many : 'TRUE'} AND ${FILTER}
    ORDER BY m.created_at DESC
    LIMIT ${RANKED}
  )
  LIMIT ${RANKED}`;

// Neither statement has a name: only a plan that is made for these parameters knows which of the filters are there. Making one takes 0.3 ms.
// Sorted by created_at and not by id: an ORDER BY that an index offers tempts the planner into reading all messages from the newest on.
const everyWordAmong = (visibility: Visibility) => `
    WITH terms AS MATERIALIZED (${TERMS}),
    query AS MATERIALIZED (SELECT to_tsquery('simple', string_agg(term, ' & ')) AS every FROM terms),
    found AS MATERIALIZED (${newest('(SELECT every FROM query)', visibility)})
    SELECT m.id, 1 + ts_rank_cd(${VECTOR}, (SELECT every FROM query), 1 | 32) / 1000 AS score
    FROM found m
    ORDER BY score DESC, m.created_at DESC
    LIMIT $5`;

// Score: the share of the query (by weight) that the message has; ts_rank_cd decides among equals.
const someWordsOf = (found: string) => `
    WITH terms AS MATERIALIZED (SELECT place, term, weight, to_tsquery('simple', term) AS query FROM (${TERMS}) word),
    query AS MATERIALIZED (SELECT to_tsquery('simple', string_agg(term, ' | ')) AS either, sum(weight) AS weight FROM terms),
    found AS MATERIALIZED (${found})
    SELECT m.id, share.score + ts_rank_cd(vector, (SELECT either FROM query), 1 | 32) / 1000 AS score
    FROM found m
    CROSS JOIN LATERAL (SELECT ${VECTOR} AS vector OFFSET 0) read
    CROSS JOIN LATERAL (
      SELECT sum(weight) FILTER (WHERE vector @@ query) / (SELECT weight FROM query) AS score FROM terms
    ) share
    WHERE share.score > 0
    ORDER BY score DESC, m.created_at DESC
    LIMIT $5`;

const someWordsAmong = (visibility: Visibility) =>
  someWordsOf(`
      SELECT DISTINCT ON (hit.id) hit.id, hit.content, hit.created_at
      FROM (SELECT query FROM terms ORDER BY weight DESC, place LIMIT ${SINGLE_WORDS}) rarest
      CROSS JOIN LATERAL (${newest('rarest.query', visibility)}) hit`);

// Every message that there is. OFFSET 0: one conversation after the other, whatever the planner takes for their size. The limit is for what came in
// since they were counted. $9 is there because it is passed.
const OWN = `
      SELECT own.id, own.content, own.created_at
      FROM unnest($4::uuid[]) AS visible (id)
      CROSS JOIN LATERAL (
        SELECT * FROM messages m WHERE m.conversation_id = visible.id AND m.deleted_at IS NULL AND ${FILTER} AND $9::uuid IS NOT NULL OFFSET 0
      ) own
      LIMIT ${MAX_READ}`;

const statements = {
  few: { everyWord: everyWordAmong('few'), someWords: someWordsAmong('few') },
  many: { everyWord: everyWordAmong('many'), someWords: someWordsAmong('many') },
  own: someWordsOf(OWN),
};

// Where a conversation has got to is how many messages it has had.
const HAS_LITTLE = {
  name: 'has-little',
  text: `SELECT coalesce(sum(head_seq), 0) <= ${MAX_READ} AS "hasLittle" FROM conversations WHERE id = ANY ($1::uuid[])`,
};

const OLDEST_RECENT = { name: 'oldest-recent-message', text: `SELECT id FROM messages ORDER BY id DESC OFFSET ${RECENT} LIMIT 1` };

/** Parameters $4 to $9. */
type Rest = readonly [
  visible: readonly ConversationId[],
  k: number,
  senderId: string | null,
  from: Date | null,
  to: Date | null,
  recent: string,
];

interface Row {
  id: string;
  score: number;
}

/**
 * Full text of Postgres over `parley_fold(content)`. Asks for messages with every word first; only when those do not fill a page for messages
 * with some of the words, where a word that nobody ever wrote stands for the similar ones that somebody did. Of somebody who has little to
 * search, each message is read instead.
 */
export class PostgresLexicalIndex extends LexicalIndexPort {
  // Whoever pages through messages waits for the same connections, and a search may hold one for two seconds: it gets half of them.
  private readonly places: Bulkhead;
  private recent = { from: NIL, until: 0 };

  constructor(
    private readonly lane: PostgresLane,
    private readonly vocabulary: VocabularyPort,
  ) {
    super();
    this.places = new Bulkhead('lexical', { concurrent: Math.max(1, Math.floor(lane.size / 2)), queued: MAX_WAITING });
  }

  override async find(query: string, visible: readonly ConversationId[], k: number, filter: SearchFilter = {}): Promise<LexicalHit[]> {
    const words = wordsOf(query);
    if (words.length === 0 || visible.length === 0) return [];
    return this.places.run(async () => {
      const rest: Rest = [visible, k, filter.senderId ?? null, dateOf(filter.fromMs), dateOf(filter.toMs), await this.recentFrom()];
      return this.ask(words, rest, k);
    }, currentDeadline()?.signal);
  }

  private async ask(words: readonly string[], rest: Rest, k: number): Promise<LexicalHit[]> {
    const [visible] = rest;
    const asTyped = words.map((word) => [word]);
    const asMeant = async () => {
      const meant = await this.vocabulary.respell(words);
      return asTyped.map((typed, index) => [...typed, ...(meant[index] ?? [])]);
    };
    const isFew = visible.length <= FEW;
    if (isFew && (await this.hasLittle(visible))) {
      return hitsOf(await this.lane.query<Row>(statements.own, [...spelled(await asMeant()), ...rest]));
    }
    const { everyWord, someWords } = isFew ? statements.few : statements.many;
    const withEvery = await this.lane.query<Row>(everyWord, [...spelled(asTyped), ...rest]);
    if (withEvery.length >= Math.min(k, ENOUGH)) return hitsOf(withEvery);
    const spellings = await asMeant();
    if (words.length === 1 && spellings[0]?.length === 1) return hitsOf(withEvery);
    const withSome = await this.lane.query<Row>(someWords, [...spelled(spellings), ...rest]);
    const known = new Set(withEvery.map(({ id }) => id));
    return hitsOf([...withEvery, ...withSome.filter(({ id }) => !known.has(id))].slice(0, k));
  }

  private async hasLittle(visible: readonly ConversationId[]): Promise<boolean> {
    const [own] = await this.lane.query<{ hasLittle: boolean }>(HAS_LITTLE, [visible]);
    return own?.hasLittle === true;
  }

  private async recentFrom(): Promise<string> {
    if (performance.now() >= this.recent.until) {
      const [oldest] = await this.lane.query<{ id: string }>(OLDEST_RECENT);
      this.recent = { from: oldest?.id ?? NIL, until: performance.now() + RECENT_FOR_MS };
    }
    return this.recent.from;
  }
}

/** The first three parameters: for each word of the query the ways in which it may be spelled, as it was typed first. */
const spelled = (words: readonly (readonly string[])[]): [spellings: string[], places: number[], unfinished: number] => {
  const spellings = words.flat();
  const places = words.flatMap((ways, index) => ways.map(() => index + 1));
  const last = words.at(-1)?.[0] ?? '';
  return [spellings, places, last.length >= MIN_PREFIX_LENGTH ? places.indexOf(words.length) + 1 : 0];
};

const dateOf = (ms: number | undefined): Date | null => (ms === undefined ? null : new Date(ms));

const hitsOf = (rows: readonly Row[]): LexicalHit[] => rows.map(({ id, score }) => ({ messageId: id, score }));
