import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ServiceRole, roleName, serviceRoles } from '#lib/database/service-roles';
import { runOrThrow } from '../process/commands.js';
import { projectRoot } from '../project-root.js';

const IMPORT_WITHIN_MS = 20_000;
const RABBITMQ_FOLDER = join(projectRoot, 'docker', 'rabbitmq');

/** For the operator's command line, and to read the queues' lengths through the management API. */
export type ServiceUser = ServiceRole | 'monitor';

/**
 * The password of one service at one server, made of the administrator's: different for each, the same at each start, and nothing to keep.
 * Who knows it cannot work out the administrator's.
 */
function passwordOf(adminUrl: string, login: string): string {
  const admin = decodeURIComponent(new URL(adminUrl).password);
  return createHmac('sha256', admin).update(`parley login ${login}`).digest('base64url');
}

/** DB_ROLE_PASSWORDS for the step that migrates. Takes the URL of the role that migrates. */
export function rolePasswordsFor(databaseUrl: string): string {
  return serviceRoles.map((service) => `${service}=${passwordOf(databaseUrl, roleName(service))}`).join(',');
}

/** The URL of a database as this service uses it. Takes the URL of the role that migrates. */
export function withPostgresLogin(databaseUrl: string, service: ServiceRole): string {
  return withLogin(databaseUrl, roleName(service), passwordOf(databaseUrl, roleName(service)));
}

/** The URL of RabbitMQ, or of its management API, as this user has it. Takes the administrator's. */
export function withRabbitmqLogin(adminUrl: string, user: ServiceUser): string {
  return withLogin(adminUrl, `parley-${user}`, passwordOf(adminUrl, `parley-${user}`));
}

/** What import-definitions.mjs asks for: RABBITMQ_PASSWORD_PARLEY_GATEWAY and so on. Takes the administrator's URL. */
export function rabbitmqPasswordsFor(managementUrl: string): Record<string, string> {
  const { users } = JSON.parse(readFileSync(join(RABBITMQ_FOLDER, 'definitions.json'), 'utf8')) as { users: { name: string }[] };
  return Object.fromEntries(
    users.map(({ name }) => [`RABBITMQ_PASSWORD_${name.toUpperCase().replaceAll('-', '_')}`, passwordOf(managementUrl, name)]),
  );
}

/** Gives each service its RabbitMQ user with the permissions of docker/rabbitmq/definitions.json in this virtual host. Safe to repeat. */
export async function importRabbitmqUsers(managementUrl: string, vhost: string): Promise<void> {
  await runOrThrow(process.execPath, [join(RABBITMQ_FOLDER, 'import-definitions.mjs')], {
    timeoutMs: IMPORT_WITHIN_MS,
    env: { ...process.env, ...rabbitmqPasswordsFor(managementUrl), RABBITMQ_MANAGEMENT_URL: managementUrl, RABBITMQ_VHOST: vhost },
  });
}

function withLogin(url: string, user: string, password: string): string {
  const changed = new URL(url);
  changed.username = user;
  changed.password = password;
  // `http://host` must not become `http://host/`, to which a path is appended.
  return changed.href.replace(/\/$/, '');
}
