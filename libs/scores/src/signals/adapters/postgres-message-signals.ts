import { z } from 'zod';
import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import { Emotion } from '#lib/contracts/scores';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import { Language } from '../language.js';
import { type MessageSignal, MessageSignalsPort, standingSignals } from '../message-signals.port.js';

const SIGNALS_OF = {
  name: 'message-signals-of',
  text: `
    SELECT message_id AS "messageId", version, conversation_id AS "conversationId", user_id AS "userId", seq::float8 AS seq, state, language,
           is_question AS "isQuestion", emotion, length
      FROM message_signals WHERE message_id = ANY ($1::uuid[])`,
};

const FIRST = {
  name: 'first-message-signal',
  text: 'SELECT message_id AS "messageId" FROM message_signals WHERE version = 1 ORDER BY message_id LIMIT 1',
};

// ORDER BY: two batches that share messages lock them in the same order, so neither waits for the other in a circle.
const RECORD = {
  name: 'record-message-signals',
  text: `
    INSERT INTO message_signals AS held (message_id, conversation_id, at, seq, version, length, is_question, user_id, state, language, emotion)
    SELECT message_id, conversation_id, now(), seq, version, length, is_question, user_id, state, language, emotion
      FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::int[], $5::int[], $6::boolean[], $7::text[], $8::text[], $9::text[], $10::text[])
           AS entry (message_id, conversation_id, seq, version, length, is_question, user_id, state, language, emotion)
     ORDER BY message_id
    ON CONFLICT (message_id) DO UPDATE SET version = excluded.version, state = excluded.state, language = excluded.language,
           is_question = excluded.is_question, emotion = excluded.emotion, length = excluded.length, user_id = excluded.user_id, at = excluded.at
     WHERE excluded.version > held.version
        OR (excluded.version = held.version AND held.state = 'failed' AND excluded.state <> 'failed')`,
};

const State = z.enum(['scored', 'removed', 'failed']);

interface Row {
  readonly messageId: MessageId;
  readonly version: number;
  readonly conversationId: ConversationId;
  readonly userId: UserId;
  readonly seq: number;
  readonly state: string;
  readonly language: string | null;
  readonly isQuestion: boolean | null;
  readonly emotion: string | null;
  readonly length: number | null;
}

/** The table `message_signals`. Each call is one statement, whatever the number of messages. */
export class PostgresMessageSignals extends MessageSignalsPort {
  private first: MessageId | undefined;

  /** @param lane `work` where messages are scored, `reads` where users ask how far they are. */
  constructor(private readonly lane: PostgresLane) {
    super();
  }

  async of(messageIds: readonly MessageId[]): Promise<Map<MessageId, MessageSignal>> {
    if (messageIds.length === 0) return new Map();
    const rows = await this.lane.query<Row>(SIGNALS_OF, [messageIds]);
    return new Map(rows.map((row) => [row.messageId, signalFrom(row)]));
  }

  async firstRecorded(): Promise<MessageId | undefined> {
    // Asked until there is one: it does not change any more.
    if (this.first === undefined) [this.first] = (await this.lane.query<Pick<Row, 'messageId'>>(FIRST)).map(({ messageId }) => messageId);
    return this.first;
  }

  async record(signals: readonly MessageSignal[]): Promise<void> {
    const standing = standingSignals(signals);
    if (standing.length === 0) return;
    const column = <T>(of: (signal: MessageSignal) => T): T[] => standing.map(of);
    await this.lane.query(RECORD, [
      column(({ messageId }) => messageId),
      column(({ conversationId }) => conversationId),
      column(({ seq }) => seq),
      column(({ version }) => version),
      column((signal) => signal.signals?.length ?? null),
      column((signal) => signal.signals?.isQuestion ?? null),
      column(({ userId }) => userId),
      column(({ state }) => state),
      column((signal) => signal.signals?.language ?? null),
      column((signal) => signal.signals?.emotion ?? null),
    ]);
  }
}

const signalFrom = ({ language, isQuestion, emotion, length, state, ...facts }: Row): MessageSignal => ({
  ...facts,
  state: State.parse(state),
  signals:
    language === null || isQuestion === null || emotion === null || length === null
      ? undefined
      : { language: Language.parse(language), isQuestion, emotion: Emotion.parse(emotion), length },
});
