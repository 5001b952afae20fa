import type { PostgresLane } from '#lib/database/adapters/postgres-lane';
import { MAX_LENGTH_DIFFERENCE, MAX_SPELLINGS, MIN_SIMILAR_LENGTH, type Spellings, VocabularyPort } from '../vocabulary.port.js';
import { vocabularyWords } from '../vocabulary-words.js';

/** New words that one call learns: more than any batch of chat brings; of a flood the rest stays unknown. */
const MAX_NEW_WORDS = 1_000;
/** Words that this process need not send again. When they are more it forgets all: sending a known word costs a look into an index. */
const MAX_REMEMBERED = 50_000;

// ORDER BY: two batches that bring the same new words insert them in the same order, so neither waits for the other in a circle.
const LEARN = {
  name: 'search_words_learn',
  text: `
    INSERT INTO search_words (word)
    SELECT DISTINCT word FROM unnest($1::text[]) AS written, parley_fold(written) AS word WHERE char_length(word) BETWEEN 2 AND 24 ORDER BY word
    ON CONFLICT DO NOTHING`,
};

// A word that could be cut in two known ones comes first: "caphe" has less in common with "phe" than with "cap", but it is neither.
// The operator % compares with pg_trgm.similarity_threshold, 0.3 unless somebody set it otherwise, and has the index.
const RESPELL = {
  name: 'search_words_respell',
  text: `
    SELECT asked.place, spelling.words
    FROM unnest($1::text[]) WITH ORDINALITY AS asked (typed, place)
    CROSS JOIN LATERAL (SELECT parley_fold(asked.typed) AS typed OFFSET 0) folded
    CROSS JOIN LATERAL (
      SELECT words
      FROM (
        SELECT left(folded.typed, cut) || ' ' || substr(folded.typed, cut + 1) AS words, 2::real AS likeness
        FROM generate_series(1, char_length(folded.typed) - 1) AS cut
        WHERE EXISTS (SELECT FROM search_words WHERE word = left(folded.typed, cut))
          AND EXISTS (SELECT FROM search_words WHERE word = substr(folded.typed, cut + 1))
        UNION ALL
        SELECT word, public.similarity(word, folded.typed)
        FROM search_words
        WHERE word OPERATOR(public.%) folded.typed AND abs(char_length(word) - char_length(folded.typed)) <= ${MAX_LENGTH_DIFFERENCE}
      ) AS candidate
      ORDER BY likeness DESC, words
      LIMIT ${MAX_SPELLINGS}
    ) spelling
    WHERE char_length(folded.typed) BETWEEN ${MIN_SIMILAR_LENGTH} AND 48
      AND NOT EXISTS (SELECT FROM search_words WHERE word = folded.typed)`,
};

/** The vocabulary in the table `search_words`, folded by `parley_fold`, with trigrams. */
export class PostgresVocabulary extends VocabularyPort {
  private readonly remembered = new Set<string>();

  /** @param lane `work` where messages are indexed, `reads` where people search. */
  constructor(private readonly lane: PostgresLane) {
    super();
  }

  override async learn(texts: readonly string[]): Promise<void> {
    const unknown = [...vocabularyWords(texts)].filter((word) => !this.remembered.has(word)).slice(0, MAX_NEW_WORDS);
    if (unknown.length === 0) return;
    await this.lane.query(LEARN, [unknown]);
    if (this.remembered.size > MAX_REMEMBERED) this.remembered.clear();
    for (const word of unknown) this.remembered.add(word);
  }

  override async respell(words: readonly string[]): Promise<Spellings[]> {
    if (words.length === 0) return [];
    const rows = await this.lane.query<{ place: string; words: string }>(RESPELL, [words]);
    return words.map((_, index) => rows.filter(({ place }) => Number(place) === index + 1).map((row) => row.words));
  }
}
