import pg from 'pg';
import type { RunningParley } from '#lib/testing/running-parley';
import type { LoadResult, Sender } from './load.js';
import { offerMessages } from './steady-load.js';
import { chatText, rareText, words } from './text.js';

/** Sends of one kind of text over a database that is full already, with everything else of Parley running. */
export interface AckAtSizeFigure extends LoadResult {
  readonly messages: number;
  readonly texts: 'ordinary' | 'long, rare words';
  readonly offeredPerSecond: number;
  /** Age of the oldest message whose words search did not know yet, the highest of the run. */
  readonly textIndexLagMs: number;
}

/** Long enough for building the full-text index over some million messages. */
const FILL_WITHIN_MS = 900_000;
const FILLER_CONVERSATIONS = 1_000;
const LOOK_EVERY_MS = 250;

// Phrases of the same words as chatText's, and one word that no other message has.
const PHRASES = `
  CREATE TEMP TABLE phrases AS
  SELECT g AS id, string_agg(words[1 + floor(random() * array_length(words, 1))::int], ' ') AS phrase
  FROM generate_series(0, 1999) g, generate_series(1, 5), (SELECT string_to_array($words$<words>$words$, ' ') AS words) dictionary
  GROUP BY g`;
const CONVERSATIONS = `
  INSERT INTO conversations (id, creator_id, created_at, last_activity_at, head_seq)
  SELECT ('10000000-0000-7000-8000-' || lpad(to_hex(c), 12, '0'))::uuid, 'filler', now(), now(), <count> / ${FILLER_CONVERSATIONS} + 1
  FROM generate_series(0, ${FILLER_CONVERSATIONS} - 1) c`;
const MESSAGES = `
  INSERT INTO messages (id, conversation_id, seq, sender_id, content, created_at)
  SELECT
    (lpad(to_hex(1500000000000 + n), 12, '0') || '70008' || substr(md5(n::text), 1, 15))::uuid,
    ('10000000-0000-7000-8000-' || lpad(to_hex(n % ${FILLER_CONVERSATIONS}), 12, '0'))::uuid,
    1 + n / ${FILLER_CONVERSATIONS},
    'filler',
    one.phrase || ' ' || two.phrase || ' ' || three.phrase || ' ' || substr(md5(n::text), 1, 7),
    now()
  FROM generate_series(0, <count> - 1) n
  JOIN phrases one ON one.id = n % 2000
  JOIN phrases two ON two.id = (n / 7) % 2000
  JOIN phrases three ON three.id = (n / 1999) % 2000`;
const TEXTS = `
  INSERT INTO message_texts (message_id, conversation_id, seq, place, created_at, version, word_count, sender_id, words)
  SELECT id, conversation_id, seq, -row_number() OVER (), created_at, version, length(words), sender_id, words
  FROM (SELECT *, parley_words(content) AS words FROM messages WHERE sender_id = 'filler' OFFSET 0) m`;

/** Puts `count` messages with their words straight into Postgres, in two minutes for 1.5 million. Their vectors are not made. */
export const fillDatabase = async (databaseUrl: string, count: number): Promise<void> => {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000, query_timeout: FILL_WITHIN_MS });
  client.on('error', () => undefined); // the statement fails with it
  await client.connect();
  const run = async (statement: string) => client.query(statement.replace('<count>', String(count)).replace('<words>', words.join(' ')));
  try {
    await run(`SET synchronous_commit = off; SET maintenance_work_mem = '256MB'; SET statement_timeout = 0`);
    await run(PHRASES);
    await run(CONVERSATIONS);
    const [index] = (await client.query<{ made: string }>(`SELECT pg_get_indexdef('message_texts_words'::regclass) AS made`)).rows;
    await run('ALTER TABLE messages DISABLE TRIGGER enlist_added_texts');
    await run(MESSAGES);
    await run('ALTER TABLE messages ENABLE TRIGGER enlist_added_texts');
    await run('DROP INDEX message_texts_words');
    await run(TEXTS);
    await run(index?.made ?? '');
    await run('ANALYZE messages');
    await run('ANALYZE message_texts');
    await run('CHECKPOINT');
  } finally {
    await client.end();
  }
};

/** Offers ordinary texts, then long ones of words that no other text has, while ops indexes them. */
export const measureAcksAtSize = async (
  parley: RunningParley,
  senders: readonly Sender[],
  { messages, seconds }: { readonly messages: number; readonly seconds: number },
): Promise<AckAtSizeFigure[]> => {
  const watcher = new pg.Client({ connectionString: parley.databaseUrl, connectionTimeoutMillis: 5_000, query_timeout: 5_000 });
  watcher.on('error', () => undefined);
  await watcher.connect();
  const figures: AckAtSizeFigure[] = [];
  try {
    await offerMessages({ baseUrl: parley.url, senders, seconds: 5, perSecond: 100, content: chatText }); // what has just started is slower
    for (const { texts, content, offeredPerSecond } of [
      { texts: 'ordinary', content: chatText, offeredPerSecond: 200 },
      { texts: 'long, rare words', content: rareText, offeredPerSecond: 20 },
    ] as const) {
      let textIndexLagMs = 0;
      const look = setInterval(() => {
        void lagOf(watcher).then(
          (lagMs) => (textIndexLagMs = Math.max(textIndexLagMs, lagMs)),
          () => undefined, // one look that is missing
        );
      }, LOOK_EVERY_MS);
      const result = await offerMessages({ baseUrl: parley.url, senders, seconds, perSecond: offeredPerSecond, content });
      clearInterval(look);
      figures.push({ ...result, messages, texts, offeredPerSecond, textIndexLagMs: Math.round(textIndexLagMs) });
    }
  } finally {
    await watcher.end();
  }
  return figures;
};

const lagOf = async (client: pg.Client): Promise<number> => {
  const { rows } = await client.query<{ lagMs: number }>(
    `SELECT coalesce(extract(epoch FROM now() - changed_at) * 1000, 0)::float8 AS "lagMs" FROM texts_to_index WHERE id > 0 AND attempts = 0 ORDER BY id LIMIT 1`,
  );
  return rows[0]?.lagMs ?? 0;
};
