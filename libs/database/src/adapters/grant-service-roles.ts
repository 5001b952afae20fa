import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import { ConfigError } from '#lib/runtime/config/config';
import type { Logger } from '#lib/runtime/log/logger';
import { processName } from '#lib/runtime/process/process-name';
import { parseRolePasswords, privilegesOn, roleName, type ServiceRole, serviceRoles, statsReaders } from '../service-roles.js';
import { connectionSettings } from './lanes/postgres-lanes.js';
import { SafeClient } from './lanes/safe-client.js';

/** Where to grant, and DB_ROLE_PASSWORDS: the roles to make. */
export interface GrantOptions {
  readonly url: string;
  readonly rolePasswords: string | undefined;
  readonly logger: Logger;
}

/** Key of the advisory lock: the ASCII codes of "grants". */
const GRANT_LOCK = 0x67_72_61_6e_74_73;
const WITHIN_MS = 10_000;
/** Roles belong to the whole server: another database that is migrated at the same moment may change the same row. */
const TRIES = 20;
const CONCURRENT_UPDATE = 'XX000';
const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * The step after the migrations, by the role that migrates: makes the services' roles whose passwords are given, and gives every such role
 * that exists what it needs and nothing else. Safe to repeat. Where there is none, all services share one role: then it says so.
 * @throws ConfigError when passwords are given and the migrating role may not make roles.
 */
export const grantServiceRoles = async ({ url, rolePasswords, logger }: GrantOptions): Promise<void> => {
  const passwords = parseRolePasswords(rolePasswords);
  const name = processName('migrate');
  const client = new SafeClient(
    connectionSettings({ url, applicationName: name, acquireTimeoutMs: 2_000, statementTimeoutMs: WITHIN_MS, lockTimeoutMs: WITHIN_MS }),
  );
  await client.connect();
  try {
    for (const [service, password] of passwords) await repeated(() => makeRole(client, service, password));
    const roles = await existing(client);
    if (roles.length === 0)
      return logger.info('all services share one Postgres role: DB_ROLE_PASSWORDS is not set, and there are no others');
    await repeated(() => grant(client, roles));
    logger.info({ count: roles.length }, `Postgres roles: ${roles.map(roleName).join(', ')}`);
  } finally {
    await client.end().catch(() => undefined);
  }
};

const makeRole = async (client: SafeClient, service: ServiceRole, password: string): Promise<void> => {
  const role = roleName(service);
  const attributes = `LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD ${client.escapeLiteral(password)}`;
  try {
    const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
    // Only a superuser may name those of its own attributes; a role with CREATEROLE changes the password.
    await client.query(
      rowCount === 0 ? `CREATE ROLE ${role} ${attributes}` : `ALTER ROLE ${role} PASSWORD ${client.escapeLiteral(password)}`,
    );
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new ConfigError([
      `DB_ROLE_PASSWORDS: the role that migrates may not make ${role}. Give it CREATEROLE, or make the roles by hand and leave this unset`,
    ]);
  }
};

const existing = async (client: SafeClient): Promise<ServiceRole[]> => {
  const { rows } = await client.query<{ rolname: string }>('SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)', [
    serviceRoles.map(roleName),
  ]);
  return serviceRoles.filter((service) => rows.some(({ rolname }) => rolname === roleName(service)));
};

const grant = async (client: SafeClient, roles: readonly ServiceRole[]): Promise<void> => {
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [GRANT_LOCK]);
    const { rows } = await client.query<{ tablename: string }>(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`);
    for (const service of roles)
      await client.query(
        statementsFor(
          service,
          rows.map(({ tablename }) => tablename),
        ),
      );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
  for (const service of roles.filter((each) => statsReaders.includes(each))) await client.query(letReadStats(roleName(service)));
};

const statementsFor = (service: ServiceRole, tables: readonly string[]): string => {
  const role = roleName(service);
  const grants = tables.flatMap((table) => {
    const privileges = privilegesOn(table, service);
    return privileges.length === 0 ? [] : [`GRANT ${privileges.join(', ')} ON "${table}" TO ${role}`];
  });
  return [`REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ${role}`, `GRANT USAGE ON SCHEMA public TO ${role}`, ...grants].join(';\n');
};

/** A courtesy: without it `in-flight` does not see locks. Only a superuser may grant it before PostgreSQL 16. */
const letReadStats = (role: string): string => `
  DO $$ BEGIN
    IF NOT pg_has_role('${role}', 'pg_read_all_stats', 'MEMBER') THEN GRANT pg_read_all_stats TO ${role}; END IF;
  EXCEPTION WHEN insufficient_privilege OR unique_violation THEN NULL;
  END $$`;

const repeated = async (work: () => Promise<void>): Promise<void> => {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const isRace =
        error instanceof DatabaseError && (error.code === CONCURRENT_UPDATE || error.code === '23505' || error.code === '42710');
      if (!isRace || tries === TRIES) throw error;
      await sleep(20 * tries);
    }
  }
};
