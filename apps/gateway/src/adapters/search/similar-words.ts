/** Spellings per word: enough that the intended one is among them, few enough that a search for all of them stays small. */
const MAX_SPELLINGS = 4;
/** Unknown words of a query that are respelled, the longest ones: each is compared with every word of the reader's messages. */
const MAX_RESPELLED = 4;
/** Shortest word that is respelled: a shorter one resembles too many others by trigrams. */
const MIN_LENGTH = 3;
/** Longest word that is respelled: a longer one is not a mistyped word. */
const MAX_LENGTH = 48;
/** Largest difference in length between word and spelling: "phone" shares a third of its trigrams with "xylophone" and is no typo of it. */
const MAX_LENGTH_DIFFERENCE = 2;
/**
 * Trigrams that two words must share, of all that they have. Two letters that changed places in a word of seven leave a third, one letter
 * wrong in a word of six leaves half.
 */
const MIN_SIMILARITY = 0.3;
/** The reader's newest messages whose words are candidates. */
const MAX_MESSAGES = 1_000;
/** Words of those messages, repeated ones counted: bounds the cost of a typo to some 10 ms, also with long texts. */
const MAX_WORDS = 20_000;
/** Least number of messages per conversation, however many conversations there are. */
const MIN_PER_CONVERSATION = 5;

/** Newest messages of all conversations that are filtered for a reader of many conversations. */
const NEWEST_OF_ALL = 5_000;

/** Conversations that are read one by one. For readers of more, only messages among the newest of all give candidates. */
export const FEW_CONVERSATIONS = 200;

/** Of the rows of `source` (`place`, `word_count`) the newest, until they have `words` different words together; the newest one in any case. */
export const newestOf = (source: string, words: number): string => `
  SELECT * FROM (SELECT *, sum(word_count) OVER (ORDER BY place DESC) - word_count AS words_before FROM ${source}) counted
  WHERE words_before < ${words}`;

// $2 visible conversations
const OF_FEW = `
  SELECT own.*
  FROM conversations c
  CROSS JOIN LATERAL (
    SELECT place, word_count, words FROM message_texts t
    WHERE t.conversation_id = c.id AND t.seq > c.head_seq - greatest(${MIN_PER_CONVERSATION}, ${MAX_MESSAGES} / cardinality($2::uuid[])) OFFSET 0
  ) own
  WHERE c.id = ANY ($2::uuid[])`;
const OF_MANY = `
  SELECT place, word_count, words FROM (SELECT * FROM message_texts ORDER BY place DESC LIMIT ${NEWEST_OF_ALL}) t
  WHERE (t.conversation_id IN (SELECT unnest($2::uuid[]))) IS TRUE
  ORDER BY place DESC LIMIT ${MAX_MESSAGES}`;

// A word that could be cut in two known ones comes first: "caphe" has less in common with "phe" than with "cap", but it is neither.
const respell = (texts: string): string => `
  WITH asked AS MATERIALIZED (
    SELECT place::int, word FROM unnest($1::text[]) WITH ORDINALITY AS typed (word_typed, place), parley_fold(word_typed) AS word
    WHERE char_length(word) BETWEEN ${MIN_LENGTH} AND ${MAX_LENGTH}
  ),
  texts AS MATERIALIZED (${newestOf(`(${texts}) own`, MAX_WORDS)}),
  known AS MATERIALIZED (
    SELECT DISTINCT word FROM texts CROSS JOIN LATERAL unnest(tsvector_to_array(words)) AS word
    WHERE char_length(word) BETWEEN 2 AND (SELECT max(char_length(word)) + ${MAX_LENGTH_DIFFERENCE} FROM asked)
  ),
  unknown AS MATERIALIZED (
    SELECT place, word FROM asked WHERE NOT EXISTS (SELECT FROM known WHERE known.word = asked.word)
    ORDER BY char_length(word) DESC, place LIMIT ${MAX_RESPELLED}
  )
  SELECT unknown.place, spelling.words AS spelling
  FROM unknown
  CROSS JOIN LATERAL (
    SELECT words
    FROM (
      SELECT left(unknown.word, cut) || ' ' || substr(unknown.word, cut + 1) AS words, 2::real AS likeness
      FROM generate_series(1, char_length(unknown.word) - 1) AS cut
      WHERE EXISTS (SELECT FROM known WHERE word = left(unknown.word, cut)) AND EXISTS (SELECT FROM known WHERE word = substr(unknown.word, cut + 1))
      UNION ALL
      SELECT word, public.similarity(word, unknown.word)
      FROM known
      WHERE abs(char_length(word) - char_length(unknown.word)) <= ${MAX_LENGTH_DIFFERENCE} AND word !~ '[[:digit:]]'
    ) AS candidate
    WHERE likeness >= ${MIN_SIMILARITY}
    ORDER BY likeness DESC, words
    LIMIT ${MAX_SPELLINGS}
  ) spelling`;

const statements = { few: respell(OF_FEW), many: respell(OF_MANY) };

/**
 * Which words may have been meant by those that the reader's messages do not know: parameters are words as typed and visible
 * conversations. Only words of messages that the reader may see are ever compared with, so an answer tells nothing
 * about what was written elsewhere (ADR 17). Rows: `place` of the word, `spelling`: one word, or two where the space was forgotten; best first.
 */
export const respellAmong = (conversationCount: number): string =>
  conversationCount <= FEW_CONVERSATIONS ? statements.few : statements.many;
