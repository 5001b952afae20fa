import { ERASED_USER } from '#lib/contracts/ids';

/** How a table is freed of a user. */
export type UserData =
  /** Rows for which `rows` holds go, or keep what is not of the user: `set`. SQL; `$1` is the user id. Needs an index, or a table of few rows. */
  | { readonly rows: string; readonly set?: string }
  /** The eraser of this name in `apps/ops/src/erasure/erasers.ts` does it: more than rows is to go. */
  | { readonly eraser: string }
  /** Nothing of a user is in it, for this reason. */
  | { readonly none: string };

const IDS_ONLY = 'ids of messages, and how far they are';

/**
 * What each table holds of a user, and how that is erased (ADR 36). A new table needs a row here: a test compares this with the schema. Order
 * of erasing: as it stands.
 */
export const userData: Readonly<Record<string, UserData>> = {
  conversation_members: { eraser: 'memberships' },
  message_texts: { eraser: 'messages' },
  messages: { eraser: 'messages' },
  conversations: { eraser: 'conversations' },
  conversation_keys: { rows: 'creator_id = $1' },
  membership_usage: { rows: 'user_id = $1' },
  departed_members: { rows: 'user_id = $1' },
  devices: { rows: 'user_id = $1' },
  conversation_logs: { eraser: 'ends' },
  conversation_ends: { eraser: 'ends' },
  message_signals: { rows: 'user_id = $1' },
  friendship_statuses: { eraser: 'ends' },
  score_changes: { eraser: 'ends' },
  document_parts: { rows: 'document_id IN (SELECT id FROM documents WHERE owner_id = $1)' },
  documents: { rows: 'owner_id = $1' },
  // What is not set aside leaves by itself: an erasure waits for it.
  outbox: {
    rows: `parked_at IS NOT NULL AND $1 IN (envelope #>> '{data,senderId}', envelope #>> '{data,userId}', envelope #>> '{data,ownerId}')`,
  },
  // The erasure that runs is a job too, and an administrator may erase itself.
  jobs: { rows: `owner_id = $1 AND (kind <> 'erasure' OR ended_at IS NOT NULL)` },
  consistency_runs: { rows: 'requested_by = $1', set: `requested_by = '${ERASED_USER}'` },
  texts_to_index: { none: 'ids of messages, until their words are indexed' },
  text_backfill: { none: 'how far a migration is' },
  // Where a night that is not over goes on.
  nightly_runs: { rows: 'cursor = $1 AND finished_at IS NOT NULL', set: `cursor = ''` },
  outbox_depth: { none: 'numbers' },
  message_deliveries: { none: IDS_ONLY },
  message_chunks: { none: IDS_ONLY },
  vector_writes: { none: 'ids of messages, while their vectors are written' },
  inbox: { none: 'ids of events' },
  search_words: { none: 'empty since ADR 17: words of messages stand in message_texts alone' },
  agents: { none: 'what administrators wrote for all' },
  prompt_templates: { none: 'what administrators wrote for all' },
  catalogue_version: { none: 'a number' },
  schema_migrations: { none: 'the history of the schema' },
};
