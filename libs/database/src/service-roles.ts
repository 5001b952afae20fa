import { ConfigError } from '#lib/runtime/config/config';

/** Services with a Postgres role of their own, `parley_<service>`; `cli` is the operator's command line. */
export const serviceRoles = ['gateway', 'realtime', 'embedding', 'delivery', 'scoring', 'ops', 'cli'] as const;
export type ServiceRole = (typeof serviceRoles)[number];

/** The role's name in Postgres. */
export const roleName = (service: ServiceRole): string => `parley_${service}`;

type Privilege = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';
const look: readonly Privilege[] = ['SELECT'];
const add: readonly Privilege[] = ['SELECT', 'INSERT'];
const keep: readonly Privilege[] = ['SELECT', 'INSERT', 'UPDATE'];
const mend: readonly Privilege[] = ['SELECT', 'UPDATE'];
const shed: readonly Privilege[] = ['SELECT', 'DELETE'];
const own: readonly Privilege[] = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/**
 * What each service may do with each table; `cli` may look at all of them besides. A new table needs a row here: a test compares this
 * with the schema, and the journeys run under these roles. Only the role that migrates changes the schema.
 */
export const tableGrants: Readonly<Record<string, Readonly<Partial<Record<ServiceRole, readonly Privilege[]>>>>> = {
  conversations: { gateway: keep, realtime: mend, delivery: look, scoring: look, ops: mend },
  conversation_members: { gateway: own, realtime: mend, delivery: look, scoring: look, ops: shed },
  conversation_keys: { gateway: add, ops: shed },
  membership_usage: { gateway: keep, ops: shed },
  departed_members: { gateway: own, ops: shed },
  messages: { gateway: keep, realtime: add, embedding: look, delivery: look, scoring: look, ops: mend },
  devices: { gateway: own, delivery: shed, ops: shed },
  conversation_ends: { gateway: add, delivery: look, scoring: mend, ops: shed },
  conversation_logs: { gateway: add, scoring: shed, ops: shed },
  documents: { gateway: add, embedding: mend, ops: own },
  document_parts: { gateway: add, embedding: look, ops: own },
  message_texts: { gateway: look, ops: own },
  texts_to_index: { gateway: add, realtime: add, ops: own },
  text_backfill: { gateway: look, ops: own },
  outbox: { gateway: own, realtime: own, ops: own, cli: keep },
  outbox_depth: { gateway: mend, realtime: mend, ops: mend },
  message_deliveries: { gateway: look, delivery: own, ops: look },
  message_signals: { gateway: look, scoring: own, ops: shed },
  nightly_runs: { ops: own },
  inbox: { gateway: own, embedding: own, ops: own },
  message_chunks: { gateway: look, embedding: own, ops: look },
  vector_writes: { embedding: own, ops: own },
  search_words: { gateway: look, embedding: add },
  consistency_runs: { gateway: own, ops: own, cli: own },
  jobs: { gateway: add, scoring: mend, ops: own },
  friendship_statuses: { gateway: look, delivery: look, scoring: keep, ops: shed },
  score_changes: { gateway: look, delivery: look, scoring: add, ops: look },
  agents: { gateway: look, cli: own },
  prompt_templates: { gateway: look, cli: own },
  catalogue_version: { gateway: look, cli: mend },
  schema_migrations: { gateway: look, realtime: look, embedding: look, delivery: look, scoring: look, ops: look },
};

/** Who may see what other roles' connections wait for: `pg_blocking_pids` without it is a list of numbers. */
export const statsReaders: readonly ServiceRole[] = ['gateway', 'ops', 'cli'];

/** The privileges of one service on one table, none for a table that is not its business. */
export const privilegesOn = (table: string, service: ServiceRole): readonly Privilege[] =>
  tableGrants[table]?.[service] ?? (service === 'cli' ? look : []);

/** The passwords in DB_ROLE_PASSWORDS, `gateway=...,embedding=...`. @throws ConfigError for a service that is not known. */
export const parseRolePasswords = (text: string | undefined): ReadonlyMap<ServiceRole, string> => {
  const pairs = (text ?? '').split(',').filter(Boolean);
  const passwords = new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')).trim(), pair.slice(pair.indexOf('=') + 1).trim()]));
  const unknown = [...passwords.keys()].filter((name) => !serviceRoles.some((service) => service === name));
  if (unknown.length > 0) throw new ConfigError([`DB_ROLE_PASSWORDS: knows ${serviceRoles.join(', ')}, not ${unknown.join(', ')}`]);
  return passwords as ReadonlyMap<string, string> as ReadonlyMap<ServiceRole, string>;
};
