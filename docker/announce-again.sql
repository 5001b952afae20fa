-- After a restore, before the processes start: writes the events into the outbox that were in RabbitMQ when the backup was made, as far as
-- Postgres shows that their work is not done. Everything that handles them may see an event twice. Without it, conversations that had ended stay
-- unscored, jobs stay open and messages are not delivered. Run it as the owner of the tables. Safe to repeat.
\set ON_ERROR_STOP on
BEGIN;

CREATE FUNCTION pg_temp.iso(at timestamptz) RETURNS text LANGUAGE sql AS
$$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

CREATE TEMPORARY TABLE unfinished (type text, conversation_id text, data jsonb, at timestamptz) ON COMMIT DROP;

-- Of the last day before the backup: what is older was delivered, or was stored before there was delivery.
INSERT INTO unfinished
SELECT CASE WHEN m.deleted_at IS NOT NULL THEN 'message.deleted' WHEN m.version > 1 THEN 'message.edited' ELSE 'message.created' END,
       m.conversation_id,
       jsonb_build_object('messageId', m.id, 'conversationId', m.conversation_id, 'seq', m.seq, 'senderId', m.sender_id, 'version', m.version,
                          'createdAt', pg_temp.iso(m.created_at))
         || CASE WHEN m.deleted_at IS NOT NULL THEN jsonb_build_object('deletedAt', pg_temp.iso(m.deleted_at))
                 WHEN m.version > 1 THEN jsonb_build_object('content', m.content, 'editedAt', pg_temp.iso(coalesce(m.edited_at, m.created_at)))
                 ELSE jsonb_build_object('content', m.content) END,
       m.created_at
  FROM messages m
  LEFT JOIN message_deliveries d ON d.message_id = m.id
  LEFT JOIN message_signals s ON s.message_id = m.id
 WHERE coalesce(m.deleted_at, m.edited_at, m.created_at) > (SELECT max(created_at) - interval '1 day' FROM messages)
   AND (d.version IS NULL OR d.version < m.version OR s.version IS NULL OR s.version < m.version);

INSERT INTO unfinished
SELECT 'conversation.ended', e.conversation_id,
       jsonb_build_object('endId', e.id, 'conversationId', e.conversation_id, 'userId', e.user_id, 'endedAt', pg_temp.iso(e.end_time)), e.created_at
  FROM conversation_ends e
 WHERE NOT EXISTS (SELECT FROM score_changes c WHERE c.end_id = e.id)
    OR EXISTS (SELECT FROM conversation_logs l WHERE l.end_id = e.id);

INSERT INTO unfinished
SELECT 'document.created', d.conversation_id::text,
       jsonb_build_object('documentId', d.id, 'conversationId', d.conversation_id, 'ownerId', d.owner_id), d.created_at
  FROM documents d WHERE d.state IN ('pending', 'indexing');

INSERT INTO unfinished
SELECT 'score.calculate', e.conversation_id,
       jsonb_build_object('endId', e.id, 'conversationId', e.conversation_id, 'userId', e.user_id, 'jobId', j.id), j.created_at
  FROM jobs j JOIN conversation_ends e ON e.id::text = j.subject WHERE j.kind = 'score' AND j.ended_at IS NULL;

INSERT INTO unfinished
SELECT 'user.erased', NULL, jsonb_build_object('conversationId', NULL, 'userId', j.subject, 'jobId', j.id), j.created_at
  FROM jobs j WHERE j.kind = 'erasure' AND j.ended_at IS NULL;

-- What the outbox of the backup holds anyway is not written twice.
INSERT INTO outbox (event_id, routing_key, envelope)
SELECT made.id, u.type,
       jsonb_build_object('eventId', made.id, 'type', u.type, 'version', 1, 'occurredAt', pg_temp.iso(now()), 'conversationId', u.conversation_id,
                          'data', u.data)
  FROM unfinished u CROSS JOIN LATERAL (SELECT gen_random_uuid() AS id WHERE u.type IS NOT NULL) made
 WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.routing_key = u.type AND o.envelope -> 'data' @> u.data)
 ORDER BY u.at;

SELECT type, count(*) AS announced_again FROM unfinished GROUP BY type ORDER BY type;
COMMIT;
