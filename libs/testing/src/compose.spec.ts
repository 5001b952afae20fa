import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '#lib/runtime/config/config';
import { parseRolePasswords, serviceRoles } from '#lib/database/service-roles';
import { projectRoot } from '#lib/devstack/project-root';

const folder = join(projectRoot, 'docker');
const compose = readFileSync(join(folder, 'compose.yaml'), 'utf8');
const secrets = Object.fromEntries(
  execFileSync(process.execPath, [join(folder, 'make-secrets.mjs')], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
);

/** The environment that compose gives one service, by its own lines and those of the shared block. */
function environmentOf(service: string): Record<string, string> {
  const shared = /&environment\n((?: {4}.+\n)+)/.exec(compose)?.[1] ?? '';
  const own = new RegExp(`^ {2}${service}:\\n((?: {4}.*\\n)+)`, 'm').exec(compose)?.[1] ?? '';
  const lines = [...`${shared}${own}`.matchAll(/^ +([A-Z_]+): (.+)$/gm)];
  return Object.fromEntries(lines.map(([, name = '', value = '']) => [name, interpolated(value)]));
}

/** From the inside out: a default may name another variable. */
const interpolated = (text: string): string => {
  const once = text.replaceAll(/\$\{(\w+):([?-])([^${}]*)\}/g, (_all, name: string, kind: string, rest: string) =>
    kind === '-' ? rest : (secrets[name] ?? `${name} is missing`),
  );
  return once === text ? text : interpolated(once);
};

describe('docker/compose.yaml', () => {
  it('has no default for a secret: it refuses to start without them', () => {
    const secretive = [...compose.matchAll(/\$\{(\w*(?:PASSWORD|SECRET|KEY|TOKEN)\w*)([^}]*)\}/g)];
    expect(secretive.length).toBeGreaterThan(10);
    expect(secretive.filter(([, , rest = '']) => !rest.startsWith(':?')).map(([all]) => all)).toEqual([]);
  });

  it.each(serviceRoles.filter((role) => role !== 'cli'))('gives %s a configuration that works, under logins of its own', (service) => {
    const { DATABASE_URL: database, RABBITMQ_URL: rabbitmq } = parseConfig(environmentOf(service));
    expect([database, rabbitmq].join()).not.toContain('missing');
    expect([new URL(database).username, new URL(rabbitmq).username]).toEqual([`parley_${service}`, `parley-${service}`]);
  });

  it('gives the migration the role that owns the tables, and a password for each that it makes', () => {
    const config = parseConfig(environmentOf('migrate'));
    expect(new URL(config.DATABASE_URL).username).toBe('parley');
    expect([...parseRolePasswords(config.DB_ROLE_PASSWORDS).keys()]).toEqual(serviceRoles);
  });

  it('gives each login a password of its own, and each RabbitMQ user one', () => {
    expect(new Set(Object.values(secrets)).size).toBe(Object.keys(secrets).length);
    const { users } = JSON.parse(readFileSync(join(folder, 'rabbitmq', 'definitions.json'), 'utf8')) as { users: { name: string }[] };
    const given = Object.keys(environmentOf('rabbitmq-users')).filter((name) => name.startsWith('RABBITMQ_PASSWORD_'));
    expect(given.sort()).toEqual(users.map(({ name }) => `RABBITMQ_PASSWORD_${name.toUpperCase().replaceAll('-', '_')}`).sort());
  });

  it('has a health check, or none by intent, for every service that others wait for', () => {
    const services = [...compose.matchAll(/^ {2}([a-z-]+):\n((?: {4}.*\n)+)/gm)].filter(([, , body = '']) => /image:|\*parley/.test(body));
    expect(services.length).toBeGreaterThan(9);
    for (const [, name, body = ''] of services)
      expect({ name, isChecked: /healthcheck:|\*parley/.test(body) }).toEqual({ name, isChecked: true });
  });
});
