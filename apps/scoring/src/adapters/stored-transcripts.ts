import { createHash } from 'node:crypto';
import type { PostgresLane } from '#lib/database/adapters/lanes/postgres-lane';
import type { ObjectStorePort } from '#lib/objects/object-store.port';
import type { ConversationEndRecord, ConversationEndStorePort } from '#lib/scores/ends/conversation-end-store.port';
import type { Transcript, Turn } from '#lib/scores/transcript';
import { MAX_TRANSCRIPT_LENGTH } from '#lib/scores/transcript';
import { transcriptOfLog } from '../transcripts/log-transcript.js';
import { newestTurns } from '../transcripts/newest-turns.js';
import { TranscriptPort } from '../transcripts/transcript.port.js';

/** The largest body that a gateway can be made to take (HTTP_BODY_LIMIT_BYTES). */
const MAX_LOG_BYTES = 104_857_600;
/** Messages of one end that are counted, and of those the ones whose text is looked at: the newest. A score is clamped long before. */
const MAX_COUNTED = 10_000;
const MAX_TURNS = 1_000;

const SAID = `SELECT seq, version, sender_id = $4 AS "isUser", content FROM messages
  WHERE conversation_id = $1::uuid AND seq BETWEEN $2 AND $3 AND deleted_at IS NULL ORDER BY seq DESC`;

const COUNTS = {
  name: 'transcript-counts',
  text: `
    SELECT count(*) FILTER (WHERE "isUser")::int AS "user", count(*) FILTER (WHERE NOT "isUser")::int AS "bot",
      coalesce(string_agg(seq || ':' || version, ',' ORDER BY seq), '') AS "versions"
    FROM (${SAID} LIMIT ${MAX_COUNTED}) said`,
};

const TURNS = {
  name: 'transcript-turns',
  text: `
    SELECT "isUser", content FROM (
      SELECT seq, "isUser", content, sum(length(content)) OVER (ORDER BY seq DESC) - length(content) AS "before"
      FROM (${SAID} LIMIT ${MAX_TURNS}) said) newest
    WHERE "before" < ${MAX_TRANSCRIPT_LENGTH} ORDER BY seq DESC`,
};

/** Transcripts from where they are: staged logs and messages in Postgres, other logs in the object store. */
export class StoredTranscripts extends TranscriptPort {
  constructor(
    private readonly ends: ConversationEndStorePort,
    private readonly objects: ObjectStorePort,
    private readonly work: PostgresLane,
  ) {
    super();
  }

  async of(end: ConversationEndRecord): Promise<Transcript | undefined> {
    const { conversationId, userId } = end;
    if (end.log === undefined) return { conversationId, userId, ...(await this.ofMessages(end)) };
    const log = await this.logOf(end);
    return log === undefined ? undefined : { conversationId, userId, ...(await transcriptOfLog(log)) };
  }

  /** While it is moved it is in both places, or a moment ago it was in the first: never in neither. */
  private async logOf({ id, log }: ConversationEndRecord): Promise<Buffer | undefined> {
    const staged = await this.ends.stagedLog(id);
    return staged ?? (log === undefined ? undefined : this.objects.get(log.objectKey, MAX_LOG_BYTES));
  }

  private async ofMessages({
    conversationId,
    userId,
    messages,
  }: ConversationEndRecord): Promise<Pick<Transcript, 'turns' | 'turnCounts' | 'fingerprint'>> {
    const { fromSeq, throughSeq } = messages ?? { fromSeq: 1, throughSeq: 0 };
    const range = [conversationId, fromSeq, throughSeq, userId];
    const [counted] = await this.work.query<{ user: number; bot: number; versions: string }>(COUNTS, range);
    const said = await this.work.query<{ isUser: boolean; content: string }>(TURNS, range);
    const turns = said.map(({ isUser, content }): Turn => ({ role: isUser ? 'user' : 'bot', content }));
    const { user, bot, versions } = counted ?? { user: 0, bot: 0, versions: '' };
    const fingerprint = createHash('sha256').update(`${conversationId} ${fromSeq} ${versions}`).digest('hex');
    return { turns: newestTurns(turns), turnCounts: { user, bot }, fingerprint };
  }
}
