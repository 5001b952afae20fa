import { MessageId } from '#lib/contracts/ids';
import type { pipeline } from '#lib/contracts/pipeline';
import type { PostgresLane } from '../../adapters/lanes/postgres-lane.js';
import type { Rows, TracedIds } from '../message-traces.port.js';
import type { Step } from '../step.js';

interface MessageRow {
  readonly id: string;
  readonly conversationId: string;
  readonly seq: string;
  readonly version: number;
  readonly at: Date;
  readonly editedAt: Date | null;
  readonly deletedAt: Date | null;
  readonly chunks: {
    readonly at: string;
    readonly state: string;
    readonly version: number;
    readonly count: number;
    readonly model: string;
  } | null;
  readonly delivery: StageRow | null;
  readonly signals: StageRow | null;
}
interface StageRow {
  readonly at: string;
  readonly state: string;
  readonly version: number;
}
interface OutboxRow {
  readonly type: string;
  readonly at: Date;
  readonly attempts: number;
  readonly parkedAt: Date | null;
  readonly failure: string | null;
}
interface EndRow {
  readonly eventId: string;
  readonly conversationId: string;
  readonly at: Date;
  readonly logStoredAt: Date | null;
  readonly changes: readonly { readonly at: string; readonly change: number; readonly after: number }[] | null;
}
interface JobRow {
  readonly kind: string;
  readonly status: string;
  readonly at: Date;
  readonly endedAt: Date | null;
}

const MESSAGES = `
  SELECT m.id, m.conversation_id AS "conversationId", m.seq, m.version, m.created_at AS at, m.edited_at AS "editedAt", m.deleted_at AS "deletedAt",
    (SELECT json_build_object('at', c.updated_at, 'state', c.state, 'version', c.version, 'count', c.chunk_count, 'model', c.model)
      FROM message_chunks c WHERE c.message_id = m.id) AS chunks,
    (SELECT json_build_object('at', d.at, 'state', d.state, 'version', d.version) FROM message_deliveries d WHERE d.message_id = m.id) AS delivery,
    (SELECT json_build_object('at', s.at, 'state', s.state, 'version', s.version) FROM message_signals s WHERE s.message_id = m.id) AS signals
  FROM messages m WHERE m.id = ANY ($1::uuid[])`;
// Through its key: the entries are not indexed by what they are about, nor by their times. Event ids are UUIDv7: their order is that of creation.
const OUTBOX = `
  SELECT routing_key AS type, created_at AS at, attempts, parked_at AS "parkedAt", coalesce(park_reason, last_failure) AS failure
  FROM outbox WHERE event_id = ANY ($1::uuid[])`;
const WAITING = `
  SELECT routing_key AS type, created_at AS at, attempts, parked_at AS "parkedAt", coalesce(park_reason, last_failure) AS failure
  FROM (SELECT * FROM outbox ORDER BY event_id LIMIT 10000) o WHERE envelope -> 'data' ->> 'messageId' = ANY ($1::text[])`;
const ENDS = `
  SELECT e.event_id AS "eventId", e.conversation_id AS "conversationId", e.created_at AS at, e.log_stored_at AS "logStoredAt",
    (SELECT json_agg(json_build_object('at', s.applied_at, 'change', s.score_change, 'after', s.score_after) ORDER BY s.applied_at)
      FROM score_changes s WHERE s.end_id = e.id) AS changes
  FROM conversation_ends e WHERE e.id = ANY ($1::uuid[])`;
const JOBS = `SELECT kind, status, created_at AS at, ended_at AS "endedAt" FROM jobs WHERE id = ANY ($1::uuid[])`;

/** Reads what the tables have of these messages and events. @throws DependencyError. */
export async function stepsOfTables(lane: PostgresLane, { messageIds, eventIds }: TracedIds): Promise<Rows> {
  const [messages, events] = [messageIds.filter(isUuid), eventIds.filter(isUuid)];
  const found = await lane.query<MessageRow>(MESSAGES, [messages]);
  const outbox = [...(await lane.query<OutboxRow>(OUTBOX, [events])), ...(await lane.query<OutboxRow>(WAITING, [messages]))];
  const ends = await lane.query<EndRow>(ENDS, [events]);
  const jobs = await lane.query<JobRow>(JOBS, [events]);
  return {
    steps: [...found.flatMap(stepsOfMessage), ...ends.flatMap(stepsOfEnd), ...outbox.map(stepOfOutbox), ...jobs.map(stepOfJob)],
    missing: found.flatMap(missingOf),
    messageIds: found.map(({ id }) => id),
    about: found.map(({ id, seq, conversationId }) => `message ${id}\n  is seq ${seq} of conversation ${conversationId}`),
  };
}

const isUuid = (id: string): boolean => MessageId.safeParse(id).success;

function stepsOfMessage({ seq, at, editedAt, deletedAt, chunks, delivery, signals }: MessageRow): Step[] {
  return [
    inTable(at, `stored as seq ${seq}`),
    ...(editedAt === null ? [] : [inTable(editedAt, 'edited')]),
    ...(deletedAt === null ? [] : [inTable(deletedAt, 'deleted')]),
    ...(chunks === null
      ? []
      : [
          inTable(
            chunks.at,
            `${chunks.state}, version ${chunks.version}: ${chunks.count} chunks of ${chunks.model}`,
            chunks.state,
            'embedding.messages',
          ),
        ]),
    ...(delivery === null
      ? []
      : [inTable(delivery.at, `${delivery.state}, version ${delivery.version}`, delivery.state, 'delivery.messages')]),
    ...(signals === null ? [] : [inTable(signals.at, `${signals.state}, version ${signals.version}`, signals.state, 'scoring.messages')]),
  ];
}

function missingOf({ chunks, delivery, signals, version }: MessageRow): string[] {
  const stages = [
    { name: 'vectors', row: chunks, table: 'message_chunks' },
    { name: 'delivery', row: delivery, table: 'message_deliveries' },
    { name: 'signals', row: signals, table: 'message_signals' },
  ];
  return stages.flatMap(({ name, row, table }) => {
    if (row === null) return [`no ${name} yet: ${table} has no row`];
    return row.version < version ? [`${name} are of version ${row.version}, the message is of ${version}`] : [];
  });
}

function stepsOfEnd({ eventId, at, logStoredAt, changes }: EndRow): Step[] {
  return [
    inTable(at, `conversation ended as ${eventId}`),
    ...(logStoredAt === null ? [] : [inTable(logStoredAt, 'its log is in the object store')]),
    ...(changes ?? []).map((row) => inTable(row.at, `score changed by ${row.change} to ${row.after}`)),
  ];
}

function stepOfOutbox({ type, at, attempts, parkedAt, failure }: OutboxRow): Step {
  const state = parkedAt === null ? `waits in the outbox, ${attempts} tries` : 'is set aside in the outbox';
  return {
    ...inTable(at, `${type} ${state}${failure === null ? '' : `: ${failure}`}`),
    outcome: parkedAt === null ? 'waiting' : 'parked',
    isFailed: true,
  };
}

function stepOfJob({ kind, status, at, endedAt }: JobRow): Step {
  const began = at.getTime();
  return { ...inTable(at, `job ${kind}`, status), ...(endedAt === null ? {} : { durationMs: endedAt.getTime() - began }) };
}

function inTable(at: Date | string, what: string, state = 'ok', queue?: keyof typeof pipeline): Step {
  return {
    who: 'postgres',
    what,
    at: new Date(at).getTime(),
    outcome: state === 'failed' ? 'failed' : 'ok',
    isFailed: state === 'failed',
    children: [],
    ...(queue === undefined ? {} : { queue }),
  };
}
