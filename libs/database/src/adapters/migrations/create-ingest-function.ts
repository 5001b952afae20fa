import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/**
 * `ingest_messages(conversations, drafts, wait)`: everything between a batch of sends and their verdicts, in one statement and one commit.
 *
 * `conversations` names each conversation of the batch once. `drafts` is a JSON array of
 * `{item, messageId, conversationId, senderId, content, metadata?, clientKey?, bodyHash?, createdAt, event, headers}`:
 * `item` numbers the drafts in the order in which they came; `bodyHash` is `\x...` and goes with `clientKey`; `event` is the envelope of
 * `message.created` without `data.seq` and `data.content`, which are filled in here, so that the envelope has one definition (in Node).
 *
 * One row per draft: `item`, `verdict`, `seq` (of a stored one), `winner`, `earlier`.
 *   stored       it has a row, a seq and an outbox row
 *   replayed     its key was used for the same body: by draft `winner` of this batch, or before by the message `earlier`
 *   key-reused   its key was used for another body
 *   not-found    the conversation does not exist, or the sender is no member
 *   busy         another transaction holds the conversation; nothing was done. Never with `wait`
 *
 * Locks: a batch takes only conversations that are free (SKIP LOCKED), so it never waits, and a conversation that hangs cannot hold up
 * its neighbours; with `wait` it waits for them in the order of their ids (at most lock_timeout). So there are no deadlocks.
 * Each SQL statement of a volatile function has a snapshot of its own: what the second one reads is newer than the locks, which is what
 * makes seq gap-free and the keys safe against a send of another process that committed while we waited.
 */
export class CreateIngestFunction1763690760000 implements MigrationInterface {
  readonly name = 'CreateIngestFunction1763690760000';

  async up(runner: QueryRunner): Promise<void> {
    // The settings pin the plan: nested loops over the unique indexes, planned once per connection. A plan that was made while
    // the tables were empty would scan them whole until the next ANALYZE.
    await runner.query(`
      CREATE FUNCTION ingest_messages(conversations uuid[], drafts json, wait boolean)
      RETURNS TABLE (item int, verdict text, seq bigint, winner int, earlier json)
      LANGUAGE plpgsql VOLATILE
      SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan SET jit = off
      AS $function$
      #variable_conflict use_column
      DECLARE
        held uuid[];
      BEGIN
        -- NO KEY UPDATE: a new member's foreign key may be checked meanwhile.
        IF wait THEN
          held := ARRAY(SELECT c.id FROM conversations c WHERE c.id = ANY (ingest_messages.conversations) ORDER BY c.id FOR NO KEY UPDATE);
        ELSE
          held := ARRAY(SELECT c.id FROM conversations c WHERE c.id = ANY (ingest_messages.conversations) FOR NO KEY UPDATE SKIP LOCKED);
        END IF;

        RETURN QUERY
        WITH draft AS MATERIALIZED (
          SELECT d.*
          FROM json_to_recordset(drafts) AS d(
            item int, "messageId" uuid, "conversationId" uuid, "senderId" text, content text, metadata jsonb,
            "clientKey" text, "bodyHash" bytea, "createdAt" timestamptz, event jsonb, headers jsonb
          )
        ),
        known AS (
          SELECT
            draft.*,
            conversation.head_seq,
            member.user_id IS NOT NULL AS is_member,
            earlier.id AS earlier_id,
            earlier.body_hash AS earlier_hash,
            CASE WHEN draft."clientKey" IS NULL THEN draft.item ELSE first_value(draft.item) OVER same_key END AS first_item,
            first_value(draft."bodyHash") OVER same_key AS first_hash
          FROM draft
          LEFT JOIN conversations conversation ON conversation.id = draft."conversationId"
          LEFT JOIN conversation_members member
            ON member.conversation_id = draft."conversationId" AND member.user_id = draft."senderId"
          LEFT JOIN messages earlier
            ON earlier.conversation_id = draft."conversationId" AND earlier.sender_id = draft."senderId"
            AND earlier.client_key = draft."clientKey" AND earlier.client_key IS NOT NULL
          WINDOW same_key AS (PARTITION BY draft."conversationId", draft."senderId", draft."clientKey" ORDER BY draft.item)
        ),
        judged AS (
          SELECT
            known.*,
            CASE
              WHEN known.head_seq IS NULL OR NOT known.is_member THEN 'not-found'
              WHEN NOT known."conversationId" = ANY (held) THEN 'busy'
              WHEN known.earlier_id IS NOT NULL THEN CASE WHEN known.earlier_hash = known."bodyHash" THEN 'replayed' ELSE 'key-reused' END
              WHEN known.first_item <> known.item THEN CASE WHEN known.first_hash = known."bodyHash" THEN 'replayed' ELSE 'key-reused' END
              ELSE 'stored'
            END AS fate
          FROM known
        ),
        numbered AS MATERIALIZED (
          SELECT
            judged.*,
            CASE WHEN judged.fate = 'stored' THEN
              judged.head_seq + count(*) FILTER (WHERE judged.fate = 'stored') OVER (PARTITION BY judged."conversationId" ORDER BY judged.item)
            END AS number
          FROM judged
        ),
        stored AS (
          INSERT INTO messages (id, conversation_id, seq, sender_id, content, metadata, client_key, body_hash, created_at)
          SELECT n."messageId", n."conversationId", n.number, n."senderId", n.content, n.metadata, n."clientKey", n."bodyHash", n."createdAt"
          FROM numbered n WHERE n.number IS NOT NULL
        ),
        announced AS (
          INSERT INTO outbox (event_id, routing_key, envelope, headers)
          SELECT
            (n.event ->> 'eventId')::uuid,
            n.event ->> 'type',
            jsonb_set(n.event, '{data}', (n.event -> 'data') || jsonb_build_object('seq', n.number, 'content', n.content)),
            coalesce(n.headers, '{}')
          FROM numbered n WHERE n.number IS NOT NULL
        ),
        raised AS (
          UPDATE conversations c
          SET head_seq = h.head_seq, last_activity_at = greatest(c.last_activity_at, h.at)
          FROM (
            SELECT n."conversationId" AS id, max(n.number) AS head_seq, max(n."createdAt") AS at
            FROM numbered n WHERE n.number IS NOT NULL GROUP BY n."conversationId"
          ) h
          WHERE c.id = h.id
        )
        SELECT
          n.item,
          n.fate,
          n.number,
          n.first_item,
          CASE WHEN n.fate = 'replayed' AND n.earlier_id IS NOT NULL THEN (
            SELECT json_build_object(
              'id', m.id, 'conversationId', m.conversation_id, 'seq', m.seq, 'senderId', m.sender_id, 'content', m.content,
              'metadata', m.metadata, 'version', m.version, 'createdAt', m.created_at, 'editedAt', m.edited_at, 'deletedAt', m.deleted_at
            ) FROM messages m WHERE m.id = n.earlier_id
          ) END
        FROM numbered n;
      END
      $function$
    `);
  }

  readonly down = forwardOnly;
}
