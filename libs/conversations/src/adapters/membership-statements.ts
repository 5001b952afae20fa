import { MAX_MEMBERS } from '../limits.js';

// What changes members and their receipts: one statement each, with the membership in its condition and the outbox row in its commit.

/** The row of {@link ADD_MEMBER}. */
export interface AddState {
  readonly isMember: boolean;
  readonly isThere: boolean;
  readonly isFull: boolean;
  /** Null = did not leave on its own. */
  readonly mayReturn: boolean | null;
  readonly isWithinQuota: boolean;
  /** Null = was added already. */
  readonly membersVersion: number | null;
  readonly headSeq: string | null;
}

/** The row of {@link REMOVE_MEMBER}. */
export interface RemoveState {
  readonly isMember: boolean;
  readonly isAllowed: boolean;
  /** Null = was not there. */
  readonly membersVersion: number | null;
}

/** The row of {@link RECEIPT}. */
export interface ReceiptState {
  readonly isMember: boolean;
  /** Null = nothing was raised. */
  readonly deliveredSeq: string | null;
  readonly readSeq: string | null;
}

const isMember = (user: string) => `EXISTS (SELECT FROM conversation_members WHERE conversation_id = $1 AND user_id = ${user})`;

const TODAY = `(now() AT TIME ZONE 'UTC')::date`;

/**
 * Counts what a user does against its quota of the day: one row when it may, none when it is used up. Values are SQL.
 * `from` is where a row must come from for anything to be counted at all.
 */
const counted = (what: {
  user: string;
  conversations: string;
  additions: string;
  conversationLimit: string;
  additionLimit: string;
  from: string;
}) => {
  const sofar = (column: string) => `CASE WHEN mine.day = ${TODAY} THEN mine.${column} ELSE 0 END`;
  return `
    INSERT INTO membership_usage AS mine (user_id, day, conversations, additions)
    SELECT ${what.user}, ${TODAY}, ${what.conversations}, ${what.additions} FROM ${what.from}
      AND (${what.additionLimit} = 0 OR ${what.additions} <= ${what.additionLimit})
    ON CONFLICT (user_id) DO UPDATE SET day = ${TODAY}, conversations = ${sofar('conversations')} + excluded.conversations,
      additions = ${sofar('additions')} + excluded.additions
    WHERE (${what.conversationLimit} = 0 OR excluded.conversations = 0 OR ${sofar('conversations')} + excluded.conversations <= ${what.conversationLimit})
      AND (${what.additionLimit} = 0 OR ${sofar('additions')} + excluded.additions <= ${what.additionLimit})
    RETURNING user_id`;
};

/** $1 creator, $2 members beside it, $3 conversations a day, $4 additions a day. No row: the quota is used up. */
export const COUNT_START = counted({
  user: '$1::text',
  conversations: '1',
  additions: '$2::int',
  conversationLimit: '$3::int',
  additionLimit: '$4::int',
  from: '(SELECT) start WHERE true',
});

/**
 * Writes the outbox row of the event in `$event`, with what the commit decided: `facts` are arguments of `jsonb_build_object` over a row of `from`.
 * No row, no event.
 */
const announced = ({ event, headers, from, facts }: { event: string; headers: string; from: string; facts: string }) => `
    INSERT INTO outbox (event_id, routing_key, envelope, headers)
    SELECT (${event}::jsonb ->> 'eventId')::uuid, ${event}::jsonb ->> 'type',
      jsonb_set(${event}::jsonb, '{data}', (${event}::jsonb -> 'data') || jsonb_build_object(${facts})), ${headers}::jsonb
    FROM ${from}`;

/** Raises the version of the members after a change that is a row of `from`; waits for messages that are being stored. */
const membersRaised = (from: string) =>
  `UPDATE conversations SET members_version = members_version + 1 FROM ${from} WHERE id = $1 RETURNING head_seq, members_version`;

/**
 * $1 conversation, $2 its members, $3 event id, $4 its type, $5 event, $6 headers. One parameter for up to 1,000 members: a row of VALUES for
 * each takes TypeORM several milliseconds of the event loop.
 */
export const JOIN = `
  WITH joined AS (INSERT INTO conversation_members (conversation_id, user_id) SELECT $1, unnest($2::text[]))
  INSERT INTO outbox (event_id, routing_key, envelope, headers) VALUES ($3, $4, $5, $6)`;

/**
 * $1 conversation, $2 actor, $3 user, $4 additions a day, $5 event, $6 headers. Two who add the 10,000th member at the same moment may make it
 * 10,001: the limit guards sizes, it is not an entitlement.
 */
export const ADD_MEMBER = `
  WITH state AS (
    SELECT ${isMember('$2')} AS "isMember", ${isMember('$3')} AS "isThere",
      (SELECT may_return FROM departed_members WHERE conversation_id = $1 AND user_id = $3) AS "mayReturn",
      (SELECT count(*) FROM (SELECT FROM conversation_members WHERE conversation_id = $1 LIMIT ${MAX_MEMBERS}) AS counted) >= ${MAX_MEMBERS} AS "isFull"
  ), counted AS (${counted({
    user: '$2::text',
    conversations: '0',
    additions: '1',
    conversationLimit: '0',
    additionLimit: '$4::int',
    from: `state WHERE NOT "isThere" AND NOT "isFull"
      AND CASE WHEN $2 = $3 THEN "mayReturn" IS TRUE ELSE "isMember" AND "mayReturn" IS NULL END`,
  })}
  ), added AS (
    INSERT INTO conversation_members (conversation_id, user_id) SELECT $1, $3 FROM counted ON CONFLICT DO NOTHING RETURNING user_id
  ), returned AS (
    DELETE FROM departed_members USING counted WHERE conversation_id = $1 AND departed_members.user_id = $3
  ), raised AS (${membersRaised('added')}
  ), announced AS (${announced({ event: '$5', headers: '$6', from: 'raised', facts: `'headSeq', head_seq, 'membersVersion', members_version` })}
  )
  SELECT state.*, EXISTS (SELECT FROM counted) AS "isWithinQuota", raised.head_seq AS "headSeq", raised.members_version AS "membersVersion"
  FROM state LEFT JOIN raised ON true`;

/**
 * $1 conversation, $2 actor, $3 user, $4 event, $5 headers. Locks the conversation before the membership, as an erasure does: in the opposite
 * order each would wait for the other.
 */
export const REMOVE_MEMBER = `
  WITH state AS (
    SELECT ${isMember('$2')} AS "isMember",
      $2 = $3 OR EXISTS (SELECT FROM conversations WHERE id = $1 AND creator_id = $2) AS "isAllowed"
  ), held AS MATERIALIZED (
    SELECT id FROM conversations, state WHERE id = $1 AND "isMember" AND "isAllowed" AND ${isMember('$3')} FOR NO KEY UPDATE OF conversations
  ), removed AS (
    DELETE FROM conversation_members USING held WHERE conversation_id = held.id AND user_id = $3 RETURNING user_id
  ), departed AS (
    INSERT INTO departed_members (conversation_id, user_id, left_at, may_return) SELECT $1, user_id, now(), true FROM removed WHERE $2 = $3
    ON CONFLICT (conversation_id, user_id) DO UPDATE SET left_at = now(), may_return = true
  ), locked_out AS (
    UPDATE departed_members SET may_return = false FROM state
    WHERE conversation_id = $1 AND user_id = $3 AND $2 <> $3 AND "isMember" AND "isAllowed"
  ), raised AS (${membersRaised('removed')}
  ), announced AS (${announced({ event: '$4', headers: '$5', from: 'raised', facts: `'membersVersion', members_version` })}
  )
  SELECT state.*, raised.members_version AS "membersVersion" FROM state LEFT JOIN raised ON true`;

/**
 * $1 conversation, $2 reader, $3 delivered, $4 read, $5 event, $6 headers. Clients repeat receipts a lot: one that raises nothing writes nothing.
 * What was read has arrived.
 */
export const RECEIPT = {
  name: 'record-receipt',
  text: `
    WITH capped AS (
      SELECT least($3::bigint, head_seq) AS delivered, least($4::bigint, head_seq) AS read FROM conversations WHERE id = $1
    ), raised AS (
      UPDATE conversation_members
      SET delivered_seq = greatest(delivered_seq, delivered, read), read_seq = greatest(read_seq, read)
      FROM capped
      WHERE conversation_id = $1 AND user_id = $2 AND (delivered_seq < greatest(delivered, read) OR read_seq < read)
      RETURNING delivered_seq, read_seq
    ), announced AS (${announced({ event: '$5', headers: '$6', from: 'raised', facts: `'deliveredSeq', delivered_seq, 'readSeq', read_seq` })}
    )
    SELECT state.*, raised.delivered_seq AS "deliveredSeq", raised.read_seq AS "readSeq"
    FROM (SELECT ${isMember('$2')} AS "isMember") state LEFT JOIN raised ON true`,
};
