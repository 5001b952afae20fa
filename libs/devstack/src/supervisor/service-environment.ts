import { settings } from '#lib/runtime/config/config';
import { serviceRoles } from '#lib/database/service-roles';
import { rolePasswordsFor, withPostgresLogin, withRabbitmqLogin } from '../servers/service-logins.js';
import type { PlannedDependency } from './dependencies.js';

/** What a stack gives its processes: one environment under the administrator's logins, and where each server comes from. */
export interface Connected {
  readonly environment: Readonly<Record<string, string>>;
  readonly dependencies: readonly PlannedDependency[];
}

/** An environment without the settings of services: those of the caller may be for another Parley. */
export function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isSetting(name)));
}

/** Only those. */
export function settingsIn(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && isSetting(entry[0])),
  );
}

const isSetting = (name: string): boolean => name.replace(/_FILE$/, '') in settings;

/** What the step that migrates is given: the role that owns the tables, and the passwords of the roles that it makes. */
export function migrationEnvironment({ environment, dependencies }: Connected): Record<string, string> {
  const postgres = dependencies.find(({ name }) => name === 'postgres');
  if (postgres === undefined || postgres.origin === 'env') return { ...environment };
  return { ...environment, DB_ROLE_PASSWORDS: rolePasswordsFor(postgres.url) };
}

/**
 * The environment of one service, `cli` for the operator's commands: on servers of ours it has logins of its own, which may do what it needs
 * and nothing else. Servers that the caller named are used with the login that the caller gave.
 */
export function environmentFor(service: string, { environment, dependencies }: Connected): Record<string, string> {
  const role = serviceRoles.find((each) => each === service);
  const logins: Record<string, string> = {};
  for (const { name, origin, url, managementUrl } of dependencies) {
    if (role === undefined || origin === 'env') continue;
    if (name === 'postgres') logins['DATABASE_URL'] = withPostgresLogin(url, role);
    if (name !== 'rabbitmq') continue;
    logins['RABBITMQ_URL'] = withRabbitmqLogin(url, role);
    if (managementUrl !== undefined) logins['RABBITMQ_MANAGEMENT_URL'] = withRabbitmqLogin(managementUrl, 'monitor');
  }
  return { ...environment, ...logins };
}
