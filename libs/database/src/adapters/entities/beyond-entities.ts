/** A trait of the schema that TypeORM cannot say, as the agreement test prints it, and where it is made. */
interface Beyond {
  readonly trait: string;
  readonly why: string;
}

const AS_NEEDED = 'dead rows of a table of short-lived rows are collected by their number, not by their share';
const IN_PLACE = 'room in each page, so that an update stays in it and touches no index';
const QUEUE_VACUUM =
  'autovacuum_vacuum_scale_factor=0,autovacuum_vacuum_threshold=5000,autovacuum_vacuum_cost_delay=0,autovacuum_analyze_scale_factor=0,autovacuum_analyze_threshold=50000';

/**
 * Everything that migrations make and entities cannot say: functions, triggers, storage, parameters and operator classes of indexes. The
 * agreement test fails when a migration adds something that stands neither in an entity nor here.
 */
export const beyondEntities: readonly Beyond[] = [
  {
    trait: 'function parley_fold',
    why: 'what "Cà phê" and "ca phe" have in common: one definition for indexes and queries (create-search-functions)',
  },
  { trait: 'function parley_words', why: 'the words of a text, in bounded time (create-message-texts)' },
  { trait: 'function ingest_messages', why: 'a batch of sends in one statement (create-ingest-function)' },
  { trait: 'function enlist_added_texts', why: 'trigger function (create-texts-to-index)' },
  { trait: 'function enlist_changed_text', why: 'trigger function (create-texts-to-index)' },
  { trait: 'function end_text_backfill', why: 'drops the former index with the rights of the owner (retire-full-text-on-messages)' },
  { trait: 'function ignore_row', why: 'trigger function (retire-full-text-on-messages)' },
  { trait: 'function raise_catalogue_version', why: 'trigger function (create-activity-catalogue)' },
  { trait: 'trigger agents.raise_catalogue_version', why: 'no edit can forget the gateways that hold the catalogue' },
  { trait: 'trigger prompt_templates.raise_catalogue_version', why: 'the same' },
  { trait: 'trigger messages.enlist_added_texts', why: 'no statement can forget the text indexer, those of the previous version included' },
  { trait: 'trigger messages.enlist_changed_text', why: 'the same for edits and deletions' },
  { trait: 'trigger search_words.learn_nothing', why: 'the previous version still writes; the table stays empty' },
  { trait: 'storage conversations fillfactor=50,autovacuum_vacuum_scale_factor=0.02', why: IN_PLACE },
  { trait: 'storage conversation_members fillfactor=80', why: IN_PLACE },
  { trait: 'storage membership_usage fillfactor=80', why: IN_PLACE },
  { trait: 'storage message_chunks fillfactor=90', why: IN_PLACE },
  { trait: 'storage message_deliveries fillfactor=90', why: IN_PLACE },
  { trait: 'storage message_signals fillfactor=90', why: IN_PLACE },
  {
    trait: 'storage message_texts autovacuum_analyze_scale_factor=0.02,autovacuum_vacuum_insert_scale_factor=0.05',
    why: 'the planner of searches needs fresh statistics',
  },
  { trait: `storage outbox ${QUEUE_VACUUM}`, why: AS_NEEDED },
  { trait: `storage texts_to_index ${QUEUE_VACUUM}`, why: AS_NEEDED },
  { trait: 'storage outbox_depth fillfactor=10,autovacuum_vacuum_scale_factor=0,autovacuum_vacuum_threshold=1000', why: IN_PLACE },
  { trait: 'storage vector_writes autovacuum_vacuum_scale_factor=0,autovacuum_vacuum_threshold=2000', why: AS_NEEDED },
  { trait: 'toast outbox autovacuum_vacuum_scale_factor=0,autovacuum_vacuum_threshold=5000', why: AS_NEEDED },
  { trait: 'storage conversation_logs autovacuum_vacuum_scale_factor=0,autovacuum_vacuum_threshold=200', why: AS_NEEDED },
  { trait: 'toast conversation_logs autovacuum_vacuum_scale_factor=0,autovacuum_vacuum_threshold=5000', why: AS_NEEDED },
  { trait: 'uncompressed conversation_logs.body', why: 'it is gzipped' },
  { trait: 'uncompressed outbox.envelope', why: 'compressing a row that is deleted at once is wasted time' },
  { trait: 'storage inbox_processed_at pages_per_range=16', why: 'only pruning reads it, in ranges that lie side by side' },
  { trait: 'storage message_texts_words gin_pending_list_limit=64', why: 'each search reads the list of pending entries from end to end' },
  { trait: 'storage document_parts_words gin_pending_list_limit=64', why: 'the same' },
  { trait: 'uncompressed document_parts.content', why: 'compressing 10 MB would hold up the commit of an upload' },
  { trait: 'storage search_words_trigrams fastupdate=off', why: 'no list of pending entries to read through' },
  {
    trait:
      'index messages_changes ON messages USING btree (conversation_id, COALESCE(deleted_at, edited_at)) WHERE (COALESCE(deleted_at, edited_at) IS NOT NULL)',
    why: 'TypeORM names no expression',
  },
  { trait: 'index search_words_trigrams ON search_words USING gin (word gin_trgm_ops)', why: 'TypeORM names no operator class' },
];
